import { basename, extname } from 'node:path';
import { type DeployApp, scriptOf } from '../pm2/app-config.ts';
import { launcherIn } from '../pm2/launcher.ts';

/**
 * What PM2 starts an app with: Node itself; a package manager or tsx, which start the Node that is on PATH; a shell, which
 * starts whatever it likes; or something else, which may know nothing of Node's arguments.
 */
export type Starter = 'node' | 'tool' | 'shell' | 'other';

const NODE = /^node(js)?(@.*)?$/;
const TOOL = /^(tsx|ts-node|ts-node-esm|ts-node-script)$/;
const SHELL = /^(ba|da|z|k|a)?sh$/;

export function starterOf(app: DeployApp): Starter {
  const script = (scriptOf(app) ?? '').trim();
  if (launcherIn(script.split(/\s+/)[0] ?? '') !== null) return 'tool';
  const interpreter = interpreterOf(app);
  // PM2 hands a command line to bash.
  if (script.includes(' ')) return 'shell';
  if (interpreter !== null) {
    const name = basename(interpreter);
    if (NODE.test(name)) return 'node';
    return TOOL.test(name) ? 'tool' : SHELL.test(name) ? 'shell' : 'other';
  }
  const suffix = extname(script);
  if (suffix === '.sh') return 'shell';
  return suffix === '' || /^\.[cm]?js$/.test(suffix) ? 'node' : 'other';
}

export function interpreterOf(app: DeployApp): string | null {
  const given = app.interpreter ?? app.exec_interpreter ?? app.execInterpreter;
  return typeof given === 'string' && given !== '' ? given : null;
}
