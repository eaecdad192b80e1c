import { type Git, splitZ } from './git.ts';

/** In any setting, its name included: `url.https://user:TOKEN@host/.insteadOf`. */
const LOGIN = /\/\/([^\s/]*)@/g;
/** A shorter name alone is a person's or a system user's, which stands in paths too. Tokens are longer. */
const SHORTEST_TOKEN = 20;
const HEADER = /^http\..*extraheader$/;
/** Of a helper that is a line of shell, and of an ssh command. */
const IN_COMMANDS = /\b(?:password=|sshpass\s+-p\s*)["']?([^\s"';]+)/g;
const NAMED_SECRET = /(?:token|password|passwd|pass|secret)$/;
/** What git servers take beside a token, and tells nothing. */
const NO_SECRET = ['x-access-token', 'x-oauth-basic'];

/** The passwords and tokens in all settings that git has in its directory, in each form in which git may print them. */
export async function secretsOfSettings(git: Git): Promise<string[]> {
  const { stdout } = await git.attempt(['config', '--list', '-z', '--includes']);
  return splitZ(stdout).flatMap((entry) => {
    const end = entry.indexOf('\n');
    return end < 0
      ? secretsOfSetting(entry, '')
      : secretsOfSetting(entry.slice(0, end), entry.slice(end + 1));
  });
}

/** `name` as git lists it: section and variable in lower case. */
export function secretsOfSetting(name: string, value: string): string[] {
  const logins = [...`${name}\n${value}`.matchAll(LOGIN)].flatMap(([, login = '']) => secretsOfLogin(login));
  const commands = [...value.matchAll(IN_COMMANDS)].map(([, secret = '']) => secret);
  const named = NAMED_SECRET.test(name) ? [value] : [];
  return [...logins, ...commands, ...named, ...(HEADER.test(name) ? secretsOfHeader(value) : [])];
}

/** The password; a token may stand in place of the name. */
function secretsOfLogin(login: string): string[] {
  const colon = login.indexOf(':');
  const [name, password] = colon < 0 ? [login, ''] : [login.slice(0, colon), login.slice(colon + 1)];
  const secrets = [...(name.length >= SHORTEST_TOKEN ? [name] : []), password];
  return secrets
    .filter((secret) => secret !== '' && !NO_SECRET.includes(secret))
    .flatMap((secret) => [...new Set([secret, decoded(secret)])]);
}

/** `Authorization: Basic …`: what is sent, and the login in it. */
function secretsOfHeader(header: string): string[] {
  const credentials =
    header
      .slice(header.indexOf(':') + 1)
      .trim()
      .split(/\s+/)
      .at(-1) ?? '';
  const login = Buffer.from(credentials, 'base64').toString('utf8');
  return [credentials, ...(/^[ -~]*:[ -~]*$/.test(login) ? secretsOfLogin(login) : [])];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
