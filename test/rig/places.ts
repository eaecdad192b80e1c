import path from 'node:path';

/** The project's directory. */
export const ROOT = path.resolve(import.meta.dirname, '..', '..');

/** An environment variable that carries why the bundle could not be built, from the set-up to the tests. */
export const BUILD_FAILURE = 'TEST_RIG_BUILD_FAILURE';
