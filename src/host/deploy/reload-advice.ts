import { lineOfApp } from '../build/ecosystem-line.ts';
import type { Boot } from '../canary/run.ts';
import { type Context, warn } from '../context.ts';
import { portsOfApp } from '../health/app-ports.ts';
import { declaredPort } from '../health/ports.ts';
import type { DeployApp } from '../pm2/app-config.ts';
import { readyTimeLimit } from '../pm2/cli.ts';
import type { Instance } from '../pm2/list.ts';
import type { Pace } from '../pm2/pace.ts';
import { killTimeoutOf } from '../pm2/timeouts.ts';
import type { Transaction } from '../state/transaction.ts';

/**
 * Warns of what a reload that went well showed. `old` are the instances that it replaced; of the apps in `boots` the
 * canary has told how long they boot.
 */
export function adviseOnPace(
  { pm2, log, plan, places }: Pick<Context, 'pm2' | 'log' | 'plan' | 'places'>,
  { config, pm2Env, before }: Pick<Transaction, 'config' | 'pm2Env' | 'before'>,
  old: readonly Instance[],
  pace: Pace,
  boots: readonly Boot[],
): void {
  const pids = pace.killed();
  for (const app of config) {
    const killed = old.find(({ name, pid }) => name === app.name && pids.includes(pid));
    const seen = {
      serves:
        declaredPort(app, pm2Env) !== null || portsOfApp(app.name, old, before.ports).certain.length > 0,
      waits: boots.some(({ name }) => name === app.name) ? [] : pace.waits(app.name),
      limit: readyTimeLimit(app, pm2.install.version),
      killedAfter: killed === undefined ? null : killTimeoutOf(killed),
    };
    for (const text of adviseAfterReload(app, seen)) warn(log, text, lineOfApp(plan, places.live, app.name));
  }
}

/** What was seen while PM2 replaced the instances of one app; milliseconds. */
export interface SeenInReload {
  /** Whether the app accepts connections. */
  serves: boolean;
  /** How long PM2 waited for each new instance, and how long it waits at most. */
  waits: readonly number[];
  limit: number;
  /** The `kill_timeout` of an old instance that PM2 had to kill, or null. */
  killedAfter: number | null;
}

/** What a reload that went well showed, and what may cost requests in the next one. */
export function adviseAfterReload(
  app: DeployApp,
  { serves, waits, limit, killedAfter }: SeenInReload,
): string[] {
  const slowest = Math.max(0, ...waits);
  const listen = `"listen_timeout: ${Math.max(10_000, 1_000 * Math.ceil((3 * limit) / 1_000))}"`;
  const sign = app.wait_ready === true ? "calls process.send('ready')" : 'listens';
  const awaited = app.wait_ready === true || serves;
  const advice = [
    awaited && slowest >= 0.95 * limit
      ? `PM2 waited ${seconds(limit)} (listen_timeout) for a new instance, and then ended the old one, ready or not: make sure that it ${sign}, or set ${listen}`
      : null,
    awaited && slowest >= 0.6 * limit && slowest < 0.95 * limit
      ? `a new instance was ready after ${seconds(slowest)}; after ${seconds(limit)} PM2 ends the old one, ready or not: set ${listen}`
      : null,
    killedAfter !== null ? adviseOnKill(killedAfter) : null,
  ];
  return advice.flatMap((text) => (text === null ? [] : `'${app.name}': ${text}.`));
}

/** Longer than the requests of most apps take: what is still open then does not end by itself. */
const PATIENT = 5_000;

function adviseOnKill(after: number): string {
  const close =
    'on SIGINT close the server and all open connections (a WebSocket or an event stream never ends by itself), then exit';
  const more =
    after < PATIENT ? `. Only if ordinary requests take that long, set "kill_timeout: ${PATIENT}" too` : '';
  return `an old instance was still alive ${seconds(after)} after PM2 told it to end, so PM2 killed it and cut off its requests: ${close}${more}`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
