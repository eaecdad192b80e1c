import { type Container, ENGINES } from '../runner/connection/container.ts';
import { BadValue } from './bad-value.ts';
import { oneOf } from './settings.ts';

/** The rule of docker and podman for names. None of these is an option, or special in a shell. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;

/** Reads `container`; null if the deploy runs on the server itself. */
export function parseContainer(text: string): string | null {
  if (text === '' || NAME.test(text)) return text || null;
  throw new BadValue(
    'it is no name of a container',
    'one name, as `docker ps` or `podman ps` shows it: letters, digits, "_", "." and "-", not beginning with one of the last three',
  );
}

/** Reads `container-engine`; null if it is to be found. */
export function parseContainerEngine(text: string, container: string): Container['engine'] {
  if (text === '') return null;
  refuseWithoutContainer(container, ENGINES.map((engine) => `\`${engine}\``).join(' or '));
  return oneOf(text, ENGINES);
}

/** Reads `container-path-volatile`. */
export function parsePathVolatile(text: string, container: string): 'fail' | 'allow' {
  const word = oneOf(text, ['fail', 'allow']);
  if (word === 'allow') refuseWithoutContainer(container, '`allow` beside `container`');
  return word;
}

function refuseWithoutContainer(container: string, takes: string): void {
  if (container !== '') return;
  throw new BadValue('`container` is not given', takes, 'Set `container`, or leave it out.');
}
