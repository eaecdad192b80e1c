import { execFileSync, spawnSync } from 'node:child_process';

/** Machines of one network, each a network namespace with an address of its own. This machine is its gateway. */
export interface Network extends Disposable {
  gateway: string;
  /** Makes the next machine's namespace, with its cable in. */
  join(): Machine;
}

export interface Machine {
  namespace: string;
  address: string;
  /** Puts the machine's cable in, or takes it out. */
  cable(isIn: boolean): void;
}

/** Of 198.18.0.0/15, which is for tests of networks: nobody's own. */
const NETWORKS = 256;
const FIRST_MACHINE = 11;

/** Makes a bridge and, as they join, network namespaces on it. Throws an Error where the tests do not run as root. */
export function createNetwork(): Network {
  if (process.getuid?.() !== 0)
    throw new Error(
      'This test makes servers out of network namespaces, which needs root. Run it as root, for example with sudo.',
    );
  const { bridge, subnet } = createBridge();
  const joined: string[] = [];
  const gateway = `${subnet}.1`;
  ip('address', 'add', `${gateway}/24`, 'dev', bridge);
  ip('link', 'set', bridge, 'up');
  return {
    gateway,
    join() {
      const number = FIRST_MACHINE + joined.length;
      const namespace = `${bridge}-${number}`;
      const address = `${subnet}.${number}`;
      ip('netns', 'add', namespace);
      joined.push(namespace);
      // The end of its cable at the bridge bears the namespace's name.
      ip('link', 'add', namespace, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
      ip('link', 'set', namespace, 'master', bridge, 'up');
      ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0');
      for (const device of ['lo', 'eth0']) ip('-n', namespace, 'link', 'set', device, 'up');
      return {
        namespace,
        address,
        cable: (isIn) => ip('link', 'set', namespace, isIn ? 'up' : 'down'),
      };
    },
    [Symbol.dispose]() {
      for (const namespace of joined) {
        spawnSync('ip', ['link', 'delete', namespace]);
        spawnSync('ip', ['netns', 'delete', namespace]);
      }
      spawnSync('ip', ['link', 'delete', bridge]);
    },
  };
}

/** A bridge's name is taken by one test at a time, and so is the network that goes with it. */
function createBridge(): { bridge: string; subnet: string } {
  let problem = '';
  for (let number = 0; number < NETWORKS; number += 1) {
    const bridge = `fleet-${number}`;
    const made = spawnSync('ip', ['link', 'add', bridge, 'type', 'bridge'], { encoding: 'utf8' });
    if (made.status === 0) return { bridge, subnet: `198.18.${number}` };
    problem = made.stderr ?? String(made.error);
    if (!problem.includes('exists')) break;
  }
  throw new Error(`No bridge for network namespaces could be made: ${problem}`);
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
}
