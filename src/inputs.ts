import {
  parseEcosystem,
  parseEnvFilePath,
  parseKeepAssets,
  parsePath,
  parseShared,
  parseWorkingDirectory,
} from './inputs/app-path.ts';
import { parseContainer, parseContainerEngine, parsePathVolatile } from './inputs/container-inputs.ts';
import { defaultRef, originOf } from './inputs/default-ref.ts';
import { allHosts, labelsOf, makeDestinations } from './inputs/destination.ts';
import { parseDuration } from './inputs/duration.ts';
import { parseFingerprints } from './inputs/fingerprint.ts';
import { parseRef } from './inputs/git-ref.ts';
import { parseGitToken } from './inputs/git-token.ts';
import { parseEnvironment, parseEnvironmentUrl, parseGithubToken } from './inputs/github-deployment.ts';
import { parseHealthUrl } from './inputs/health-url.ts';
import { parseHosts, parsePort, parseUsername } from './inputs/host-address.ts';
import { DEFAULTS, type InputName, rawInput, textOfInput } from './inputs/names.ts';
import { type Reader, readAll } from './inputs/problem.ts';
import { checkProxyPassphrase, parseProxyJump, parseProxyKey } from './inputs/proxy-jump.ts';
import { parseRepository, urlOnServer } from './inputs/repository.ts';
import { maskSecrets } from './inputs/secrets.ts';
import {
  oneOf,
  parseAppName,
  parseCommand,
  parseCount,
  parseMaxParallel,
  parseMode,
  parsePm2Env,
  parsePm2Version,
  parseScript,
  parseShellText,
  parseStableFor,
  parseStep,
  parseSwitch,
  refuseBesideStatus,
} from './inputs/settings.ts';
import { splitList } from './inputs/split-list.ts';
import { checkPassphrase, parseHostKeyCheck, parseKey, parseKnownHosts } from './inputs/trust.ts';
import {
  parseSource,
  parseUploadExclude,
  parseUploadPath,
  refuseBesideUpload,
  refuseWithoutUpload,
  sendsFiles,
} from './inputs/upload.ts';
import type { Plan } from './protocol.ts';
import type { Destination } from './runner/connection/connect.ts';
import type { MaxParallel } from './runner/fleet/rollout.ts';
import type { UploadWishes } from './runner/upload/gather.ts';
import type { Workflow } from './workflow.ts';

/** What the inputs say of the plan: all of it but who deploys, and what other hosts have to do with it. */
export type Wishes = Omit<Plan, 'protocol' | 'deployId' | 'run' | 'waits'>;

/** All inputs, checked. */
export interface Inputs {
  /** In the order in which they were given. */
  destinations: readonly [Destination, ...Destination[]];
  /** How a deploy to several hosts goes on, and what goes back. */
  fleet: { maxParallel: MaxParallel; scope: 'fleet' | 'host' };
  /** Shell text that runs before every command. */
  shellInit: string | null;
  github: {
    /** Whether to show the deploy as a deployment of this environment on GitHub. */
    deployment: boolean;
    environment: string;
    environmentUrl: string | null;
    token: string;
  };
  /** What of this job's files is sent; null if none are. `plan.ref` is null then: the files themselves say it. */
  upload: UploadWishes | null;
  plan: Wishes;
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
  const input = <T>(name: InputName, parse: (given: string) => T): Reader<T> => ({
    name,
    read: () => parse(text(name)),
  });
  const duration = (name: InputName, least: string, most: string): Reader<number> =>
    input(name, (given) => parseDuration(given, { least, most }));

  const agent = env.SSH_AUTH_SOCK ?? '';

  const isUpload = sendsFiles(text('source'), text('mode'));

  const read = readAll(env, {
    connection: {
      hosts: input('host', (given) => parseHosts(given, { username: text('username'), port: text('port') })),
      // Users before each host's "@" stand for it; one that is given is checked all the same.
      username: input('username', (given) =>
        given === '' && text('host') !== '' && splitList(text('host')).every((host) => host.includes('@'))
          ? ''
          : parseUsername(given),
      ),
      port: input('port', parsePort),
      key: input('key', (given) => parseKey(given, text('passphrase'), text('password'), agent)),
      passphrase: input('passphrase', (given) => checkPassphrase(given, text('key'))),
      password: input('password', (given) => given || null),
      knownHosts: input('known-hosts', parseKnownHosts),
      fingerprints: input('fingerprint', (given) =>
        parseFingerprints(given, allHosts(text('host'), text('proxy-jump'))),
      ),
      hostKeyCheck: input('host-key-check', (given) =>
        parseHostKeyCheck(given, text('known-hosts'), text('fingerprint')),
      ),
      proxyJump: input('proxy-jump', (given) => parseProxyJump(given, ...labelsOf(text('host')))),
      proxyKey: input('proxy-key', (given) =>
        parseProxyKey(given, text('proxy-passphrase'), {
          hops: text('proxy-jump'),
          key: text('key'),
          agent,
        }),
      ),
      proxyPassphrase: input('proxy-passphrase', (given) => checkProxyPassphrase(given, text('proxy-key'))),
      timeout: duration('connect-timeout', '100ms', '10m'),
      retries: input('connect-retries', (given) => parseCount(given, { least: 0, most: 10 })),
    },
    container: {
      name: input('container', parseContainer),
      engine: input('container-engine', (given) => parseContainerEngine(given, text('container'))),
      pathVolatile: input('container-path-volatile', (given) => parsePathVolatile(given, text('container'))),
    },
    session: {
      shellInit: input('shell-init', (given) => parseShellText(given) || null),
    },
    github: {
      deployment: input('deployment', parseSwitch),
      environment: input('environment', parseEnvironment),
      environmentUrl: input('environment-url', parseEnvironmentUrl),
      token: input('github-token', () =>
        parseGithubToken(textOfInput(env, 'github-token'), text('deployment').toLowerCase() === 'true'),
      ),
    },
    fleet: {
      maxParallel: input('max-parallel', parseMaxParallel),
      scope: input('rollback-scope', (given) => oneOf(given, ['fleet', 'host'])),
    },
    layout: {
      kind: input('layout', (given) => oneOf(given.toLowerCase(), ['in-place', 'releases'])),
      shared: input('shared', (given) => parseShared(given, text('layout'))),
    },
    upload: {
      path: input('upload-path', (given) => {
        refuseWithoutUpload(given === '.' ? '' : given, text('source'), 'a directory, for an upload');
        return parseUploadPath(given);
      }),
      exclude: input('upload-exclude', (given) => {
        refuseWithoutUpload(given, text('source'), 'patterns, for an upload');
        return parseUploadExclude(given);
      }),
    },
    steps: {
      install: input('install-command', parseStep),
      build: input('build-command', parseStep),
      migrate: input('migrate-command', parseCommand),
      'before-reload': input('before-reload-command', parseCommand),
      'after-reload': input('after-reload-command', parseCommand),
    },
    envFile: {
      // As it was given: blanks and line ends count.
      content: input('env-file', () => rawInput(env, 'env-file')),
      path: input('env-file-path', parseEnvFilePath),
    },
    // By the names that they have in the plan.
    plan: {
      mode: input('mode', (given) => parseMode(given, splitList(text('host')).length)),
      path: input('path', parsePath),
      source: input('source', (given) => parseSource(given, isUpload ? workflow : null)),
      ref: input('ref', (given) => {
        refuseBesideUpload(given, isUpload, 'a branch, a tag or a full commit id');
        if (isUpload) return null;
        return given === '' ? refWithout(text('mode'), workflow) : parseRef(given);
      }),
      allowUntrackedRef: input('allow-untracked-ref', (given) => {
        refuseBesideUpload(given === 'true' ? given : '', isUpload, '`false` beside an upload');
        return parseSwitch(given);
      }),
      repository: input('repository', (given) => {
        refuseBesideUpload(given, isUpload, 'what the server clones');
        return readRepository(given, workflow);
      }),
      // What is empty was emptied: the default is the runner's to fill in.
      gitToken: input('git-token', () => parseGitToken(textOfInput(env, 'git-token'), workflow.serverUrl)),
      workingDirectory: input('working-directory', parseWorkingDirectory),
      commandTimeout: duration('command-timeout', '1s', '6h'),
      keepAssets: input('keep-assets', parseKeepAssets),
      apps: input('app', (given) => splitList(given).map(parseAppName)),
      ecosystem: input('ecosystem', parseEcosystem),
      script: input('script', (given) =>
        parseScript(given, splitList(text('app')), text('ecosystem') !== '', text('pm2-env') !== ''),
      ),
      pm2Env: input('pm2-env', parsePm2Env),
      pm2Version: input('pm2-version', parsePm2Version),
      onConfigChange: input('on-config-change', (given) => oneOf(given, ['apply', 'fail'])),
      localChanges: input('local-changes', (given) => oneOf(given, ['fail', 'save'])),
      freshInstall: input('fresh-install', parseSwitch),
      keepReleases: input('keep-releases', (given) => parseCount(given, { least: 1, most: 100 })),
      save: input('save', parseSwitch),
      healthUrl: input('health-url', parseHealthUrl),
      healthTimeout: duration('health-timeout', '1s', '1h'),
      stableFor: input('stable-for', (given) => parseStableFor(given, text('health-timeout'))),
      canary: input('canary', (given) => oneOf(given.toLowerCase(), ['auto', 'required', 'off'])),
      handover: input('handover', (given) => oneOf(given.toLowerCase(), ['auto', 'off'])),
      drain: input('drain', (given) => oneOf(given.toLowerCase(), ['auto', 'off'])),
      lockTimeout: duration('lock-timeout', '0s', '6h'),
      logLines: input('log-lines', (given) => {
        refuseBesideStatus(given === '0' ? '' : given, text('mode'));
        return parseCount(given, { least: 0, most: 500 });
      }),
      force: input('force', parseSwitch),
    },
  });
  const { connection, container, session, github, fleet, layout, upload, steps, envFile, plan } = read;

  return {
    destinations: makeDestinations(
      { ...connection, container },
      { host: text('host'), proxyJump: text('proxy-jump'), agent },
    ),
    ...session,
    github,
    fleet,
    upload:
      plan.source.kind === 'git'
        ? null
        : { ...upload, sendsModules: steps.install.kind === 'none', builtFrom: plan.source.builtFrom },
    plan: {
      ...plan,
      container:
        container.name === null ? null : { name: container.name, pathVolatile: container.pathVolatile },
      layout: layout.kind === 'releases' ? { kind: 'releases', shared: layout.shared } : { kind: 'in-place' },
      steps: isUpload && steps.build.kind === 'default' ? { ...steps, build: { kind: 'none' } } : steps,
      envFile: envFile.content === '' ? null : envFile,
      refOrigin: originOf(plan.ref, workflow),
    },
  };
}

/** What `ref` stands for where it is not given: only a deploy and a check are about the workflow's commit. */
function refWithout(mode: string, workflow: Workflow): string | null {
  return ['rollback', 'status', 'remove'].includes(mode) ? null : defaultRef(workflow);
}

/** What to clone: as given, or this workflow's own repository. */
function readRepository(given: string, workflow: Workflow): Plan['repository'] {
  return given === ''
    ? { url: urlOnServer(workflow.serverUrl, workflow.repository), given: false }
    : { url: parseRepository(given, workflow.serverUrl), given: true };
}
