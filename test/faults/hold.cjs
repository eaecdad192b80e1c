// Node loads this into the host program before the program's own first line: NODE_OPTIONS names it, from shell-init.
// It stops the program, as a SIGSTOP from outside would, once it has come to the moment that the file `moment` beside
// this one names. The file is renamed then, so that only the first program that comes there is stopped.
const childProcess = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const file = path.join(__dirname, 'moment');
const { linkSync, renameSync, unlinkSync, writeSync } = fs;
const { spawn } = childProcess;
const { kill } = process;
let wanted = null;
let state = '';
let steps = 0;

if (process.argv[2] === 'run' && fs.existsSync(file)) {
  wanted = fs.readFileSync(file, 'utf8');
  follow();
}
// The program's children are not to know of it.
if (['run', 'resume'].includes(process.argv[2])) delete process.env.NODE_OPTIONS;

function at(moment) {
  if (moment !== wanted) return;
  wanted = null;
  try {
    renameSync(file, path.join(__dirname, `reached.${process.pid}`));
  } catch {
    return;
  }
  kill.call(process, process.pid, 'SIGSTOP');
}

function follow() {
  fs.writeSync = (...args) => {
    const written = writeSync(...args);
    const event = eventIn(String(args[1]));
    if (event.type === 'state') {
      state = event.state;
      steps = 0;
      at(state);
    }
    if (event.type === 'end') at('ended');
    return written;
  };
  fs.renameSync = (from, to) => {
    if (to.endsWith('/dump.pm2')) at(`${state}: saving`);
    step(from, to);
    const isLink = to.endsWith('/shop/current');
    if (isLink) at(`${state}: before the link`);
    renameSync(from, to);
    if (isLink) at(`${state}: link changed`);
    if (to.includes('/shop/shared/')) at(`${state}: sharing`);
    if (to.endsWith('/current.json')) at(`${state}: current saved`);
    if (to.endsWith('/transaction.json')) at(`${state}: transaction saved`);
  };
  fs.linkSync = (from, to) => {
    step(from, to);
    linkSync(from, to);
  };
  fs.unlinkSync = (name) => {
    step(name, name);
    unlinkSync(name);
  };
  process.kill = (pid, signal) => {
    const sent = kill.call(process, pid, signal);
    // By this an instance is told to drain.
    if (signal === 'SIGURG') at(`${state}: draining`);
    return sent;
  };
  childProcess.spawn = (command, args, options) => {
    const reloads = args.includes('startOrReload');
    if (reloads) at(`${state}: before the reload`);
    const child = spawn(command, args, options);
    if (reloads) {
      child.once('exit', () => at(`${state}: reloaded`));
      at(`${state}: reload`);
    }
    if (args.includes('fetch')) at('fetch');
    if (args.includes('read-tree')) at(`${state}: index`);
    for (const name of ['install', 'build'])
      if (args.some((one) => one.endsWith(`/${name}-command.sh`))) at(name);
    return child;
  };
}

/** One rename of the swap is ahead, or one half of it. */
function step(from, to) {
  if (!['activating', 'rolling-back'].includes(state)) return;
  if (![from, to].some((name) => name.includes('.pm2-ssh-deploy/'))) return;
  if (steps === 0) at(`${state}: before the swap`);
  if (steps === 3) at(`${state}: in the swap`);
  steps += 1;
}

function eventIn(text) {
  if (!text.startsWith('{"type":"')) return {};
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
