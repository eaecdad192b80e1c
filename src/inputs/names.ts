/** Every input with its default, exactly as `action.yml` has them; a test holds the two together. */
export const DEFAULTS = {
  host: '',
  username: '',
  port: '22',
  key: '',
  passphrase: '',
  password: '',
  'known-hosts': '',
  fingerprint: '',
  'host-key-check': 'strict',
  'proxy-jump': '',
  'proxy-key': '',
  'proxy-passphrase': '',
  'connect-timeout': '30s',
  'connect-retries': '3',
  path: '',
  layout: 'in-place',
  shared: '',
  source: 'git',
  'upload-path': '.',
  'upload-exclude': '',
  ref: '',
  'allow-untracked-ref': 'false',
  repository: '',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the runner evaluates it
  'git-token': '${{ github.token }}',
  'working-directory': '.',
  container: '',
  'container-engine': '',
  'container-path-volatile': 'fail',
  'install-command': '',
  'build-command': '',
  'fresh-install': 'false',
  'env-file': '',
  'env-file-path': '.env',
  'keep-assets': '',
  'migrate-command': '',
  'before-reload-command': '',
  'after-reload-command': '',
  'shell-init': '',
  'command-timeout': '15m',
  app: '',
  ecosystem: '',
  script: '',
  'pm2-env': '',
  'pm2-version': '',
  'on-config-change': 'apply',
  'local-changes': 'fail',
  'keep-releases': '5',
  save: 'true',
  'health-url': '',
  'health-timeout': '60s',
  'stable-for': '10s',
  canary: 'auto',
  handover: 'auto',
  drain: 'auto',
  'max-parallel': '1',
  'rollback-scope': 'fleet',
  'lock-timeout': '15m',
  mode: 'deploy',
  'log-lines': '0',
  force: 'false',
  deployment: 'false',
  environment: 'production',
  'environment-url': '',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the runner evaluates it
  'github-token': '${{ github.token }}',
} as const;

export type InputName = keyof typeof DEFAULTS;

export const INPUT_NAMES = Object.keys(DEFAULTS) as InputName[];

/** GitHub's runner hands an input over as `INPUT_` and its name in upper case, with `_` for a blank. */
const PREFIX = 'INPUT_';

/** Linux desktops set this for their keyboards, so a self-hosted runner may pass it on. */
const NOT_AN_INPUT = 'INPUT_METHOD';

/** What was given for an input, without blanks around it; empty if nothing was. */
export function textOfInput(env: NodeJS.ProcessEnv, name: InputName): string {
  return rawInput(env, name).trim();
}

/** What was given for an input, as it was given. */
export function rawInput(env: NodeJS.ProcessEnv, name: InputName): string {
  return env[PREFIX + name.toUpperCase()] ?? '';
}

/**
 * The names under `with:` that no input has. The runner only warns of them, passes them on all the same, and a
 * mistyped `known_hosts` would be lost. A variable of that form from elsewhere cannot be told apart, and counts.
 */
export function unknownInputs(env: NodeJS.ProcessEnv): string[] {
  const known = new Set<string>(INPUT_NAMES);
  return Object.keys(env)
    .filter((variable) => variable.startsWith(PREFIX) && variable !== NOT_AN_INPUT)
    .map((variable) => variable.slice(PREFIX.length).toLowerCase())
    .filter((name) => !known.has(name))
    .sort();
}

/** The input that a name is most likely meant to be, or null if none is near. */
export function nearestInput(name: string): InputName | null {
  const plain = name.replace(/[_ ]/g, '-');
  const distances = INPUT_NAMES.map((known) => ({ known, distance: editDistance(plain, known) }));
  const nearest = distances.reduce((best, next) => (next.distance < best.distance ? next : best));
  return nearest.distance <= Math.max(1, Math.floor(nearest.known.length / 3)) ? nearest.known : null;
}

/** Levenshtein's distance: how many letters to add, drop or change. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
