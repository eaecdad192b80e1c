import { objectIn } from '../system/checked.ts';
import { readIfThere } from '../system/durable.ts';

/** One `listen` of a canary: the port that it asked for, and the private port of 127.0.0.1 that it got. */
export interface Listen {
  /** 0 if any free port would do; null for a Unix socket. */
  port: number | null;
  at: number;
  /** Milliseconds from the start of the process. */
  ms: number;
}

/** What a canary has told about itself so far. */
export interface CanaryReport {
  listens: Listen[];
  /** When it sent PM2 its `ready`, in milliseconds from the start of its process; null until then. */
  readyMs: number | null;
}

/**
 * The text of a CommonJS file that Node is to load before a canary's own code. No visitor reaches the canary: each of its
 * servers listens on 127.0.0.1 at a free port that it shares with nobody, and says so in the file `report`.
 * `variables` are set anew there, since PM2 gives the canary the first instance's number and a name of its own.
 * Never fails, whatever the app does.
 */
export function preloadText(report: string, variables: Readonly<Record<string, string>>): string {
  return `'use strict';
const fs = require('fs');
const { Server } = require('net');
const variables = ${JSON.stringify(variables)};
Object.assign(process.env, variables);
// In a cluster worker PM2 sets the environment from this, once the preload has run.
try {
  const { pm2_env } = process.env;
  if (pm2_env) process.env.pm2_env = JSON.stringify({ ...JSON.parse(pm2_env), ...variables });
} catch {}
let file = null;
try { file = fs.openSync(${JSON.stringify(report)}, 'a'); } catch {}
const tell = (what) => {
  try { fs.writeSync(file, JSON.stringify({ ...what, ms: Math.round(process.uptime() * 1000) }) + '\\n'); } catch {}
};
const portIn = (value) => {
  if (value === undefined || value === null || typeof value === 'function') return 0;
  const port = typeof value === 'string' && value.trim() === '' ? NaN : Number(value);
  return Number.isInteger(port) && port >= 0 && port < 65536 ? port : null;
};
const listen = Server.prototype.listen;
Server.prototype.listen = function (...args) {
  const given = args[0];
  const isObject = typeof given === 'object' && given !== null;
  // A handle that is open already cannot be moved.
  if (isObject && (given.fd !== undefined || given._handle !== undefined || typeof given.close === 'function')) {
    return listen.apply(this, args);
  }
  const port = isObject && given.path !== undefined ? null : portIn(isObject ? given.port : given);
  this.once('listening', () => {
    const address = this.address();
    if (address !== null && typeof address === 'object') tell({ port, at: address.port });
  });
  const last = args[args.length - 1];
  const options = { port: 0, host: '127.0.0.1', exclusive: true };
  if (isObject && given.signal !== undefined) options.signal = given.signal;
  return listen.call(this, options, ...(typeof last === 'function' ? [last] : []));
};
if (typeof process.send === 'function') {
  const send = process.send;
  process.send = function (message, ...rest) {
    if (message === 'ready') tell({ ready: true });
    return send.call(this, message, ...rest);
  };
}
`;
}

/** Reads what a canary has told. The app can write there too: a line that is not ours is passed over. */
export function readReport(file: string): CanaryReport {
  const report: CanaryReport = { listens: [], readyMs: null };
  const lines = (readIfThere(file) ?? '').split('\n').slice(0, -1);
  for (const line of lines) {
    const { port = null, at, ms, ready } = objectIn(line) ?? {};
    if (typeof ms !== 'number') continue;
    if (ready === true) report.readyMs ??= ms;
    else if (typeof at === 'number' && (port === null || typeof port === 'number'))
      report.listens.push({ port, at, ms });
  }
  return report;
}
