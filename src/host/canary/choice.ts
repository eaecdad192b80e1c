import type { Plan } from '../../protocol.ts';
import type { AppPorts } from '../health/app-ports.ts';
import type { DeployApp } from '../pm2/app-config.ts';
import { whyImpossible } from './config.ts';
import type { FreeRange } from './free-range.ts';

/** An app that gets a canary, and the ports on which the canary must ask to listen, if any. */
export interface Chosen {
  app: DeployApp;
  ports: number[];
  /** Of these, ports that the kernel may have chosen for the live app. A canary that asks for any port passes, too. */
  byChance: number[];
}

export interface Choice {
  chosen: Chosen[];
  /** A sentence for each app that gets none. */
  without: string[];
  /** Sentences for what was required and cannot be had. */
  impossible: string[];
}

/** What is known of an app beside its settings. */
export interface Known {
  /** Whether PM2 runs it now. */
  runs: boolean;
  /** Where it listens now. */
  ports: AppPorts;
  /** The PORT of its environment as it runs, and as the new version has it. */
  oldPort: number | null;
  newPort: number | null;
  /** The port of the health URL, if it names this host. */
  healthPort: number | null;
  /** The ports that the kernel gives to whoever asks for any. */
  freeRange: FreeRange;
}

/**
 * Which apps get a canary. Unless it is `required`, an app that listened nowhere before (a queue worker, a bot) gets none,
 * because two at once may do harm. An app that does not run yet gets none either: there is nothing to protect.
 */
export function chooseCanaries(
  canary: Plan['canary'],
  apps: readonly DeployApp[],
  live: string,
  knownOf: (app: DeployApp) => Known,
): Choice {
  const choice: Choice = { chosen: [], without: [], impossible: [] };
  if (canary === 'off') return choice;
  for (const app of apps) {
    const known = knownOf(app);
    const impossible = whyImpossible(app, live);
    const why = canary === 'required' ? null : whyNone(known);
    if (canary === 'required' && impossible !== null)
      choice.impossible.push(`'${app.name}' can have no canary: ${impossible}.`);
    else if (why !== null) choice.without.push(`No canary for '${app.name}': ${why}.`);
    else if (impossible !== null) choice.without.push(`No canary for '${app.name}': ${impossible}.`);
    else {
      const ports = portsToAsk(known);
      choice.chosen.push({ app, ports, byChance: ports.filter((port) => isByChance(port, known)) });
    }
  }
  return choice;
}

function whyNone({ runs, ports, healthPort }: Known): string | null {
  if (!runs) return 'it does not run yet, so there is nothing to protect';
  if (ports.certain.length > 0) return null;
  if (ports.perhaps.length === 0)
    return 'it listened nowhere before, and two at once may do harm (canary: required starts one anyway)';
  if (healthPort !== null && ports.perhaps.includes(healthPort)) return null;
  return `it is not certain which of the ports ${ports.perhaps.join(', ')} is its own. Set PORT in its env, or canary: required`;
}

/** Whether no setting names the port, and it is one that the kernel hands out. */
function isByChance(port: number, { oldPort, newPort, healthPort, freeRange }: Known): boolean {
  return ![oldPort, newPort, healthPort].includes(port) && port >= freeRange.first && port <= freeRange.last;
}

/** Where the live app listens; a PORT that changes with this version changes that too. */
function portsToAsk({ runs, ports, oldPort, newPort, healthPort }: Known): number[] {
  if (!runs) return newPort === null ? [] : [newPort];
  const asked = new Set(ports.certain);
  if (asked.size === 0 && healthPort !== null && ports.perhaps.includes(healthPort)) asked.add(healthPort);
  // A port that the code or an env file named is given up for the first PORT in the settings, if it is the only one.
  const replaced = oldPort ?? (asked.size === 1 ? [...asked][0] : null) ?? null;
  if (newPort !== null && replaced !== null && asked.has(replaced)) {
    asked.delete(replaced);
    asked.add(newPort);
  }
  return [...asked].sort((a, b) => a - b);
}
