import { existsSync } from 'node:fs';
import path from 'node:path';
import { exampleFiles } from '../../rig/example-files.ts';
import type { Site } from '../../rig/site.ts';
import type { Flaw } from './life.ts';

/**
 * Builds each version once on a host, since a build of Next.js is what takes the time: versions that are broken, or come
 * again, take what the build of their name made. It serves each way to start it; the standalone server gets the static files
 * as Next.js says.
 */
export const BUILD_ONCE = `
git rev-parse --short HEAD > deployment-id.txt
built=$HOME/built-$(cat version.txt)
if test -e $built; then rm -rf .next; cp -r $built .next; else NEXT_OUTPUT=standalone npm run build; cp -r .next/static .next/standalone/.next/; cp -r .next $built.part; mv $built.part $built; fi`;

/** The same in the job of the example that is uploaded: the packages are installed once, and each version is built once. */
export const IN_THE_JOB = {
  'npm ci\n': 'test -e node_modules || npm ci\n',
  '          npm run build\n': `          built=../built-$(cat version.txt)
          if ! test -e $built; then npm run build; cp -r .next $built; fi
          test -e .next || cp -r $built .next
`,
};

/**
 * A version of an example; `settings` are texts of its ecosystem file by what stands there instead. Built by `BUILD_ONCE`, or
 * by `IN_THE_JOB`.
 */
export function nextApp(
  site: Site,
  example: string,
  settings: Record<string, string>,
  name: string,
  flaw?: Flaw,
): Record<string, string> {
  // What is wrong with a broken version shows when it runs.
  const version = flaw === undefined ? name : '2';
  const files = exampleFiles(example, {
    ...settings,
    'PORT: 3000': `PORT: ${site.port}, HOSTNAME: '0.0.0.0', STATUS: ${flaw === '500' ? 500 : 200}`,
    "version = '1'": `version = '${version}'`,
    'deploymentId:': 'output: process.env.NEXT_OUTPUT, deploymentId:',
    'new Response(version)': 'new Response(version, { status: Number(process.env.STATUS) })',
  });
  const config = files['next.config.js'];
  return {
    ...files,
    'version.txt': version,
    'next.config.js': `if (${flaw === 'boot'} && process.argv.includes('start')) throw new Error('version ${name} cannot boot');\n${config}`,
  };
}

export interface Visits {
  /** Pages by their version. */
  pages: Record<string, number>;
  whole: number;
  /** Visits by the first thing that was missing, with the version of the page. */
  broken: Record<string, number>;
  /** Visits in which a file was not in the live directory, where a web server in front of the app would look for it. */
  notOnDisk: number;
}

export interface Visitors {
  /** Asks once more for the assets of a version's page, as one does that is open in a browser; gives the statuses. */
  assetsOf(version: string): Promise<number[]>;
  /** The id of the deployment by which a page that navigates sees whether it has to load the next page whole. */
  deployment(): Promise<string | null>;
  stop(): Promise<Visits>;
}

function fileOf(site: Site, asset: string): string {
  const { pathname } = new URL(asset, 'http://localhost');
  return path.join(site.live, decodeURIComponent(pathname).replace('/_next/', '.next/'));
}

/** Visits the page as browsers do that were never here: the page, then all of its assets, from whichever instance answers. */
export function visit(site: Site): Visitors {
  const counted: Visits = { pages: {}, whole: 0, broken: {}, notOnDisk: 0 };
  const known = new Map<string, Set<string>>();
  let stopping = false;
  const ask = (what: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${site.port}${what}`, { headers, signal: AbortSignal.timeout(5_000) });
  const get = async (what: string, from: string): Promise<string> => {
    const response = await ask(from).catch((error: unknown) => {
      throw new Error(`${what}: no answer`, { cause: error });
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${what}: ${response.status}`);
    return text;
  };
  const browse = async (): Promise<void> => {
    while (!stopping) {
      try {
        const page = await get('page', '/');
        const [, version = ''] = /version (?:<!-- -->)?(\w+)/.exec(page) ?? [];
        const assets = new Set(
          [...page.matchAll(/"(\/_next\/static\/[^"\\]+)"/g)].map(([, asset]) => asset ?? ''),
        );
        if (assets.size === 0) throw new Error('page: no assets');
        known.set(version, assets);
        counted.pages[version] = (counted.pages[version] ?? 0) + 1;
        if (![...assets].every((asset) => existsSync(fileOf(site, asset)))) counted.notOnDisk++;
        await Promise.all([...assets].map((asset) => get(`asset of version ${version}`, asset)));
        counted.whole++;
      } catch (error) {
        const why = (error as Error).message;
        counted.broken[why] = (counted.broken[why] ?? 0) + 1;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const browsers = [browse(), browse()];
  return {
    assetsOf: (version) =>
      Promise.all([...(known.get(version) ?? [])].map(async (asset) => (await ask(asset)).status)),
    deployment: async () => (await ask('/', { RSC: '1' })).headers.get('x-nextjs-deployment-id'),
    async stop() {
      stopping = true;
      await Promise.all(browsers);
      return counted;
    },
  };
}
