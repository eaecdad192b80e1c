import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makeCertificate } from '../../rig/certificates.ts';
import { freePort } from '../../rig/free-port.ts';
import type { Runtime } from '../../rig/pm2.ts';
import { endOfLog } from '../../rig/runner-log.ts';
import { createSite } from '../../rig/site.ts';
import { appName, type Form, type Framework, framework } from './apps.ts';
import { startVisits, type Visits } from './visitors.ts';

/** What visitors of one app met while a new version of it was deployed. */
export interface Row extends Visits, Form {
  framework: string;
  /** Major versions. */
  node: number;
  pm2: number;
}

/** A host on which one framework after the other is deployed, in all of its forms at once. */
export interface Lane extends AsyncDisposable {
  /** The major version of its Node. */
  node: number;
  run(one: Framework): Promise<Row[]>;
}

/** What the apps get beside their files. */
export interface Packages {
  /** A node_modules. */
  modules: string;
  /** The `.next` of the Next.js app; null unless it runs. */
  next: string | null;
}

export async function startLane(runtime: Runtime, packages: Packages | null): Promise<Lane> {
  const site = await createSite(runtime, {
    inputs: {
      'install-command': packages === null ? 'none' : `ln -s '${packages.modules}' node_modules`,
      'build-command':
        packages === null || packages.next === null
          ? 'none'
          : `if test -e next.config.js; then cp -r '${packages.next}' .next; fi`,
      canary: 'off',
      'stable-for': '500ms',
      'health-timeout': '60s',
    },
  });
  const certificate = certificateFiles();
  const node = Number(/\d+$/.exec(runtime.name)?.[0]);
  const deploy = async (one: Framework, version: string, ports: readonly number[]): Promise<void> => {
    const files = framework(one, version, ports, certificate);
    // The framework before it may have come in more forms. Their apps run on, unheeded.
    const app = one.forms.map(appName).join(',');
    const run = await site.deploy({ ref: site.commit({ files }), app });
    if (run.outputs.outcome !== 'deployed')
      throw new Error(`${version} was not deployed. ${endOfLog(run.stdout)}`);
  };
  return {
    node,
    async run(one) {
      // PM2's daemon cannot listen on another address of a port while old workers have it.
      const ports = await Promise.all(one.forms.map(freePort));
      await deploy(one, 'first', ports);
      const all = ports.map((port) => startVisits(one.speaks, port, { kept: 3, fresh: 2 }));
      try {
        await Promise.all(all.map((visits) => visits.sees('first')));
        await deploy(one, 'second', ports);
        await Promise.all(all.map((visits) => visits.sees('second')));
      } finally {
        await Promise.all(all.map((visits) => visits.stop()));
      }
      const met = await Promise.all(all.map((visits) => visits.stop()));
      const pm2 = Number.parseInt(runtime.pm2Version, 10);
      return one.forms.flatMap((form, at) => {
        const visits = met[at];
        return visits === undefined ? [] : [{ framework: one.name, node, pm2, ...form, ...visits }];
      });
    },
    [Symbol.asyncDispose]: () => site.stop(),
  };
}

function certificateFiles(): Record<string, string> {
  const directory = mkdtempSync(path.join(tmpdir(), 'certificate-'));
  try {
    const { key, cert } = makeCertificate(directory);
    return { 'key.pem': key, 'cert.pem': cert };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
