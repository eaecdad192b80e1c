import { realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/** What an SSH session, and this deploy itself, put in the environment. */
const SESSION = /^(SSH_|XDG_SESSION_|PM2_SSH_DEPLOY)|^XDG_(SEAT|VTNR)$|^MOTD_SHOWN$/;

/**
 * What makes git work in another repository than the one of its directory, with other settings than the user's files have,
 * or read paths in another way. A hook of git that runs the session's shell has them, and so has a stray `export`.
 */
const OF_ANOTHER_REPOSITORY =
  /^GIT_(DIR|WORK_TREE|IMPLICIT_WORK_TREE|COMMON_DIR|INDEX_FILE|INDEX_VERSION|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|QUARANTINE_PATH|SHALLOW_FILE|GRAFT_FILE|REPLACE_REF_BASE|NO_REPLACE_OBJECTS|NAMESPACE|PREFIX|INTERNAL_SUPER_PREFIX|CEILING_DIRECTORIES|DISCOVERY_ACROSS_FILESYSTEM|DEFAULT_HASH|DEFAULT_REF_FORMAT|TEMPLATE_DIR|ATTR_SOURCE|CONFIG\w*|\w+_PATHSPECS)$/;

/** What may reach PM2, and through it the apps: who and where the user is, and where the user's tools are. */
const FOR_PM2 =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|PM2_HOME|NVM_DIR|XDG_(CONFIG|CACHE|DATA|STATE)_HOME|XDG_(CONFIG|DATA)_DIRS)$/;

/**
 * The environment with a PATH whose `node` is `execPath`: what a version manager puts there may be another one in another
 * directory, and all of a deploy is to run under one.
 */
export function withNode(env: NodeJS.ProcessEnv, execPath: string): NodeJS.ProcessEnv {
  const search = (env.PATH ?? '').split(delimiter).filter((directory) => directory !== '');
  const own = real(join(dirname(execPath), 'node'));
  const first = search.map((directory) => real(join(directory, 'node'))).find((file) => file !== null);
  // An executable of another name, such as nodejs, has none beside it to lead to.
  if (own !== real(execPath) || first === own) return env;
  return { ...env, PATH: [dirname(execPath), ...search].join(delimiter) };
}

function real(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

/**
 * The environment for git, install and build: the session's, without what tells of the session, of this deploy, or of
 * another repository.
 */
export function sessionless(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return keep(env, (name) => !SESSION.test(name) && !OF_ANOTHER_REPOSITORY.test(name));
}

/** The environment for PM2. A daemon that it starts, and apps that it starts for the first time, keep it for good. */
export function pm2Environment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return keep(env, (name) => FOR_PM2.test(name));
}

function keep(env: NodeJS.ProcessEnv, wanted: (name: string) => boolean): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name, value]) => value !== undefined && wanted(name)),
  );
}
