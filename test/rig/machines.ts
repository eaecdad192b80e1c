import { type Fleet, fleetHost, fleetOf } from './fleet.ts';
import { createHost, type Host } from './host.ts';
import { killAllOf } from './leftovers.ts';
import { createNetwork, type Machine, type Network } from './network.ts';

/** A fleet whose servers are machines of their own: address, hostname, processes and PM2. */
export interface MachineFleet extends Fleet {
  /** The address at which all of them reach this machine. */
  gateway: string;
  /** Ends all that runs there, at once. */
  powerOff(at: number): Promise<void>;
  /** Boots it: PM2 starts what it has saved, as after `pm2 startup`. */
  powerOn(at: number): Promise<void>;
  /** Puts its network cable in, or takes it out. */
  cable(at: number, isIn: boolean): void;
}

/** Each app has a machine for itself. */
const APP_PORT = 3000;
const BOOT =
  'hostname "$0"; if test -e "$PM2_HOME/dump.pm2"; then pm2 resurrect >/dev/null 2>&1; fi; exec "$@"';

/** Starts so many machines, `web-1`, `web-2` and so on. Throws an Error where the tests do not run as root. */
export async function createMachines(
  count: number,
  always: Record<string, string> = {},
): Promise<MachineFleet> {
  const network = createNetwork();
  const started: Host[] = [];
  try {
    const machines = Array.from({ length: count }, () => network.join());
    const start = async (machine: Machine, at: number): Promise<Host> => {
      const alsoTakes = started[0]?.ssh.publicKey;
      const host = await createHost({
        sshd: {
          listen: machine.address,
          port: 22,
          within: within(machine, `web-${at + 1}`),
          ...(alsoTakes !== undefined && { alsoTakes }),
        },
      });
      started[at] = host;
      return host;
    };
    const [first, ...others] = machines;
    if (first !== undefined) await start(first, 0);
    await Promise.all(others.map((machine, at) => start(machine, at + 1)));
    return withPower(network, machines, started, always);
  } catch (error) {
    await Promise.all(started.map((host) => host.stop()));
    network[Symbol.dispose]();
    throw error;
  }
}

function withPower(
  network: Network,
  machines: readonly Machine[],
  hosts: readonly Host[],
  always: Record<string, string>,
): MachineFleet {
  const fleet = fleetOf(
    hosts.map((host) => fleetHost(host, APP_PORT)),
    always,
  );
  const stop = async (): Promise<void> => {
    await fleet.stop();
    network[Symbol.dispose]();
  };
  const hostAt = (at: number): Host => {
    const host = hosts[at];
    if (host === undefined) throw new Error(`there is no machine ${at}`);
    return host;
  };
  return {
    ...fleet,
    gateway: network.gateway,
    async powerOff(at) {
      await hostAt(at).ssh.halt();
      await killAllOf(hostAt(at).directory);
    },
    powerOn: (at) => hostAt(at).ssh.restart(),
    cable: (at, isIn) => machines[at]?.cable(isIn),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** With the first process of a pid namespace all others end, as if the power were cut. */
function within({ namespace }: Machine, name: string): string[] {
  const own = ['unshare', '-m', '-u', '-i', '-p', '--fork', '--kill-child', '--mount-proc'];
  return ['ip', 'netns', 'exec', namespace, ...own, 'sh', '-c', BOOT, name];
}
