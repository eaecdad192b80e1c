import type { ExampleWorkflow } from '../../rig/example.ts';
import { exampleFiles } from '../../rig/example-files.ts';
import type { JobRun } from '../../rig/job.ts';
import type { Site } from '../../rig/site.ts';
import type { Flaw, Kind } from './life.ts';

interface Example {
  name: string;
  /** The file that throws in a version that cannot boot. */
  main: string;
  /** What its health page says, and what it says in a version that is broken. */
  health: readonly [good: string, bad: string];
  /** Texts of its files, such as those with a port, by what stands there instead in a version. */
  changes(version: string): Record<string, string>;
}

/** Express' own; the site's port is that of the ecosystem file. */
export const EXPRESS_HEALTH = ["response.send('ok')", "response.status(500).send('no')"] as const;

/** The files of a version of an example. */
export function exampleVersion(
  { name, main, health, changes }: Example,
  version: string,
  flaw?: Flaw,
): Record<string, string> {
  const files = exampleFiles(name, {
    ...changes(version),
    "version = '1'": `version = '${version}'`,
    ...(flaw === '500' && { [health[0]]: health[1] }),
  });
  if (flaw === 'boot') files[main] = `throw new Error('version ${version} cannot boot');\n${files[main]}`;
  return files;
}

/** An example that is deployed by its own workflow. */
export function kindOf(example: Example, workflow: ExampleWorkflow): Kind & Required<Pick<Kind, 'deploy'>> {
  return {
    files: (version, flaw) => exampleVersion(example, version, flaw),
    deploy: async ({ ref = '', mode }) => stepOf(await workflow.run(ref, mode)),
  };
}

export const portOf = (site: Site) => (): Record<string, string> => ({ 'PORT: 3000': `PORT: ${site.port}` });

/** The last step of a job that ran: its deploy, or what failed before it. */
export function stepOf([job]: readonly JobRun[]) {
  const run = job?.steps.flatMap((step) => step.run ?? []).at(-1);
  if (!run) throw new Error('the job has no step that ran');
  return run;
}
