import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Life } from '../pm2/bus.ts';
import { wordsInDaemonLog } from '../pm2/daemon-log.ts';
import type { Instance } from '../pm2/list.ts';
import type { Pm2 } from '../pm2/session.ts';
import { noteLogSizes, readAdded } from './error-log.ts';

/** What one app said before it failed. */
export interface Words {
  app: string;
  lines: string[];
}

/** Listens to apps, so that a failure can be told in their own words. */
export interface Listener {
  /** The last lines of the version that this deploy started, up to `until`, on the clock of `performance.now()`. */
  words(deployId: string, until: number): Promise<Words[]>;
  /** What processes of that version which still run have thrown, and nothing caught: a sentence each. */
  thrown(deployId: string): string[];
  close(): void;
}

const MOST_LINES = 30;
/** PM2 hands on with some delay what an app printed as it died, in milliseconds. */
const LATE = 250;

/** `instances` are those that run already: what their log files hold now is not theirs to say again. */
export function listenTo(pm2: Pm2, names: readonly string[], instances: readonly Instance[]): Listener {
  const daemonLog = { name: '', errLogPath: join(pm2.home, 'pm2.log') };
  const notes = noteLogSizes([...instances, daemonLog]);
  const stream = pm2.hearLives(names);
  return {
    async words(deployId, until) {
      await sleep(Math.max(0, until + LATE - performance.now()));
      const heard = lastWords(stream.lives(), deployId, until);
      const inDaemonLog = wordsInDaemonLog(readAdded(notes, [daemonLog], Number.POSITIVE_INFINITY), names);
      for (const [app, lines] of inDaemonLog) {
        const known = heard.find((one) => one.app === app);
        if (known === undefined) heard.push({ app, lines });
        else known.lines.push(...lines);
      }
      return bounded(heard.length > 0 ? heard : await inLogFiles());
    },
    thrown: (deployId) =>
      stream
        .lives()
        .filter((life) => isOf(life, deployId) && life.ended === null)
        .flatMap(({ name, pmId, thrown }) =>
          thrown === null ? [] : `'${name}' (pm2 id ${pmId}) threw an error that nothing caught (${thrown})`,
        ),
    close: stream.close,
  };

  async function inLogFiles(): Promise<Words[]> {
    const all = await pm2.list().catch(() => []);
    return names.flatMap((app) => {
      const own = [...instances, ...all].filter(({ name }) => name === app);
      const lines = readAdded(notes, own, MOST_LINES);
      return lines.length > 0 ? [{ app, lines }] : [];
    });
  }
}

/**
 * Of what was heard, the words of this version's processes that began before it failed, at `until`. If some of them had
 * died by then, only the last one of each app that had: what others print is no cause. One that dies later may have found
 * the files of another version already.
 */
export function lastWords(lives: readonly Life[], deployId: string, until: number): Words[] {
  const own = lives
    .filter((life) => isOf(life, deployId) && life.began <= until)
    .map((life) => {
      const died = life.ended !== null && life.ended <= until + LATE ? life.ended : null;
      // What one that lives on says later may be of the files that are back.
      const last = died === null ? until : until + LATE;
      return {
        name: life.name,
        died,
        said: life.lines.filter(({ at }) => at <= last).map(({ text }) => text),
      };
    })
    .filter(({ said }) => said.length > 0);
  const dead = own.filter(({ died }) => died !== null);
  const inTime = dead.filter(({ died }) => died !== null && died <= until);
  const telling = [inTime, dead, own].find((some) => some.length > 0) ?? [];
  return [...new Map(telling.map(({ name, said }) => [name, said]))].map(([app, lines]) => ({ app, lines }));
}

function isOf({ deployId: of, isNew, pmId }: Life, deployId: string): boolean {
  if (pmId.startsWith('_old_')) return false;
  // PM2 names the deploy of a new process only once that is ready, or dead.
  return of === deployId || (of === null && isNew);
}

function bounded(words: readonly Words[]): Words[] {
  const share = Math.max(1, Math.floor(MOST_LINES / Math.max(1, words.length)));
  return words.map(({ app, lines }) => ({ app, lines: lines.slice(-share) }));
}
