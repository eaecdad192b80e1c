import { parsePath, parseRelativePath } from './inputs/app-path.ts';
import { defaultRef } from './inputs/default-ref.ts';
import { allHosts, hostOrNull, labelOf, makeDestination } from './inputs/destination.ts';
import { parseDuration } from './inputs/duration.ts';
import { parseFingerprints } from './inputs/fingerprint.ts';
import { parseRef } from './inputs/git-ref.ts';
import { parseGitToken } from './inputs/git-token.ts';
import { parseHealthUrl } from './inputs/health-url.ts';
import { parseHost, parsePort, parseUsername } from './inputs/host-address.ts';
import { DEFAULTS, type InputName, textOfInput } from './inputs/names.ts';
import { readAll } from './inputs/problem.ts';
import { checkProxyPassphrase, parseProxyJump, parseProxyKey } from './inputs/proxy-jump.ts';
import { parseRepository, urlOnServer } from './inputs/repository.ts';
import { maskSecrets } from './inputs/secrets.ts';
import {
  oneOf,
  parseAppName,
  parseCount,
  parsePm2Env,
  parseScript,
  parseShellText,
  parseStableFor,
  parseStep,
  parseSwitch,
} from './inputs/settings.ts';
import { splitList } from './inputs/split-list.ts';
import { checkPassphrase, parseHostKeyCheck, parseKey, parseKnownHosts } from './inputs/trust.ts';
import { MODES, type Plan } from './protocol.ts';
import type { Destination } from './runner/connection/connect.ts';
import type { Workflow } from './workflow.ts';

type PlannedInput =
  | 'mode'
  | 'path'
  | 'ref'
  | 'force'
  | 'repository'
  | 'gitToken'
  | 'workingDirectory'
  | 'install'
  | 'build'
  | 'apps'
  | 'ecosystem'
  | 'script'
  | 'pm2Env'
  | 'onConfigChange'
  | 'save'
  | 'commandTimeout'
  | 'healthTimeout'
  | 'stableFor'
  | 'lockTimeout'
  | 'healthUrl'
  | 'canary';

/** All inputs, checked. What goes to the host has the names and shapes that it has in the plan. */
export interface Inputs extends Pick<Plan, PlannedInput> {
  destination: Destination;
  /** Shell text that runs before every command. */
  shellInit: string | null;
}

/**
 * Reads and checks every input, once. `mask` is called for each secret before anything else is done.
 * Throws one `InputsError` that names all bad inputs.
 */
export function readInputs(
  env: NodeJS.ProcessEnv,
  workflow: Workflow,
  mask: (secret: string) => void,
): Inputs {
  maskSecrets(env, mask);
  const text = (name: InputName): string => textOfInput(env, name) || DEFAULTS[name];
  const duration = (name: InputName, least: string, most: string) => (): number =>
    parseDuration(text(name), { least, most });

  const agent = env.SSH_AUTH_SOCK ?? '';

  const read = readAll(env, {
    host: () => parseHost(text('host')),
    // A user before the host's "@" stands for it; one that is given is checked all the same.
    username: () =>
      text('username') === '' && text('host').includes('@') ? '' : parseUsername(text('username')),
    port: () => parsePort(text('port')),
    key: () => parseKey(text('key'), text('passphrase'), text('password'), agent),
    passphrase: () => checkPassphrase(text('passphrase'), text('key')),
    password: () => text('password') || null,
    'known-hosts': () => parseKnownHosts(text('known-hosts')),
    fingerprint: () => parseFingerprints(text('fingerprint'), allHosts(text('host'), text('proxy-jump'))),
    'host-key-check': () =>
      parseHostKeyCheck(text('host-key-check'), text('known-hosts'), text('fingerprint')),
    'proxy-jump': () => parseProxyJump(text('proxy-jump'), labelOf(hostOrNull(text('host')))),
    'proxy-key': () =>
      parseProxyKey(text('proxy-key'), text('proxy-passphrase'), {
        hops: text('proxy-jump'),
        key: text('key'),
        agent,
      }),
    'proxy-passphrase': () => checkProxyPassphrase(text('proxy-passphrase'), text('proxy-key')),
    'connect-retries': () => parseCount(text('connect-retries'), { least: 0, most: 10 }),
    'connect-timeout': duration('connect-timeout', '100ms', '10m'),
    path: () => parsePath(text('path')),
    ref: () => (text('ref') === '' ? refWithout(text('mode'), workflow) : parseRef(text('ref'))),
    repository: () => readRepository(text('repository'), workflow),
    // What is empty was emptied: the default is the runner's to fill in.
    'git-token': () => parseGitToken(textOfInput(env, 'git-token'), workflow.serverUrl),
    'working-directory': () =>
      parseRelativePath(
        text('working-directory'),
        "the app's directory inside `path`, relative and without ..",
      ),
    'install-command': () => parseStep(text('install-command')),
    'build-command': () => parseStep(text('build-command')),
    'shell-init': () => parseShellText(text('shell-init')) || null,
    'command-timeout': duration('command-timeout', '1s', '6h'),
    app: () => splitList(text('app')).map(parseAppName),
    ecosystem: () =>
      parseRelativePath(text('ecosystem'), 'the ecosystem file, relative to the app and without ..') || null,
    script: () =>
      parseScript(text('script'), splitList(text('app')), text('ecosystem') !== '', text('pm2-env') !== ''),
    'pm2-env': () => parsePm2Env(text('pm2-env')),
    save: () => parseSwitch(text('save')),
    'on-config-change': () => oneOf(text('on-config-change'), ['apply', 'fail']),
    'health-url': () => parseHealthUrl(text('health-url')),
    'health-timeout': duration('health-timeout', '1s', '1h'),
    'stable-for': () => parseStableFor(text('stable-for'), text('health-timeout')),
    canary: () => oneOf(text('canary').toLowerCase(), ['auto', 'required', 'off']),
    'lock-timeout': duration('lock-timeout', '0s', '6h'),
    mode: () => oneOf(text('mode'), MODES),
    force: () => parseSwitch(text('force')),
  });

  return {
    destination: makeDestination(read, { host: text('host'), proxyJump: text('proxy-jump'), agent }),
    shellInit: read['shell-init'],
    mode: read.mode,
    path: read.path,
    ref: read.ref,
    force: read.force,
    repository: read.repository,
    gitToken: read['git-token'],
    workingDirectory: read['working-directory'],
    install: read['install-command'],
    build: read['build-command'],
    apps: read.app,
    ecosystem: read.ecosystem,
    script: read.script,
    pm2Env: read['pm2-env'],
    onConfigChange: read['on-config-change'],
    save: read.save,
    commandTimeout: read['command-timeout'],
    healthTimeout: read['health-timeout'],
    stableFor: read['stable-for'],
    lockTimeout: read['lock-timeout'],
    healthUrl: read['health-url'],
    canary: read.canary,
  };
}

/** What `ref` stands for where it is not given: a rollback and a status are not about the workflow's commit. */
function refWithout(mode: string, workflow: Workflow): string | null {
  return mode === 'rollback' || mode === 'status' ? null : defaultRef(workflow);
}

/** What to clone: as given, or this workflow's own repository. */
function readRepository(given: string, workflow: Workflow): Plan['repository'] {
  return given === ''
    ? { url: urlOnServer(workflow.serverUrl, workflow.repository), given: false }
    : { url: parseRepository(given, workflow.serverUrl), given: true };
}
