import { type HostResult, looksOnly } from '../protocol.ts';
import { appNames, type HeadlineFacts, isUntouched } from './headline.ts';
import { liveApp } from './live-app.ts';

/** What to do after a deploy that did not go well. */
export interface Advice {
  /** Our own words; safe as they are. */
  text: string;
  /** Commands for a shell on the host, to be copied. */
  commands: string[];
  /** More of our own words, after the commands. */
  after: string | null;
}

export function whatToDo(result: HostResult, facts: HeadlineFacts & { username: string }): Advice {
  const { outcome, failure } = result;
  const live = liveApp(result);
  if (outcome === 'rollback-failed' || live === 'down' || live === 'unhealthy')
    return {
      text:
        live === 'unhealthy'
          ? 'log in to the server, and see why it is not healthy.'
          : 'log in to the server, see why it does not run, and start it.',
      commands: rescue(result, facts),
      after: looksOnly(result)
        ? 'Or deploy a commit that works.'
        : 'Or deploy a commit that works: the next deploy starts from here.',
    };
  const commands = commandsIn(failure?.remedy ?? '');
  if (failure?.remedy) return { text: '', commands, after: null };
  if (outcome === 'deployed')
    return {
      text: 'the new version stays. Look at the command, and run the job again.',
      commands,
      after: null,
    };
  if (/^Cancelled/.test(failure?.message ?? ''))
    return { text: 'nothing on the server. Run the job again to deploy.', commands, after: null };
  if (outcome === 'rolled-back' || isUntouched(result))
    return {
      text: 'nothing on the server. Fix it, push, and the next run deploys it.',
      commands,
      after: null,
    };
  return {
    text: 'run the job again. It ends what this one left, and goes on from there.',
    commands,
    after: null,
  };
}

/** Commands that a sentence quotes, in its order. */
export function commandsIn(text: string): string[] {
  const quoted = [...text.matchAll(/'([^']+)'|`([^`]+)`/g)].map(([, single, back]) => single ?? back ?? '');
  return quoted.filter((part) =>
    /^(?:sudo|pm2|git|npm|df|ls|rm|cd|ps|pgrep|dmesg|journalctl|systemctl|loginctl|chown|chmod|ssh-keyscan|ssh-keygen) \S/.test(
      part,
    ),
  );
}

function rescue(result: HostResult, facts: HeadlineFacts): string[] {
  const names = (result.apps ?? []).map(({ name }) => shellWord(name));
  const first = shellWord(appNames(result, facts)[0] ?? '');
  return [
    `cd ${pathWord(facts.path)}`,
    'pm2 list',
    `pm2 logs ${names[0] ?? first} --err --lines 50 --nostream`,
    names.length > 0 ? `pm2 restart ${names.join(' ')}` : 'pm2 startOrReload ecosystem.config.js',
  ];
}

/** `~/` stays outside of the quotes, which would keep the shell from reading it. Other relative paths begin at home. */
function pathWord(path: string): string {
  if (path.startsWith('/')) return shellWord(path);
  const rest = path.replace(/^~\/?/, '');
  return rest === '' ? '~' : `~/${shellWord(rest)}`;
}

function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`;
}
