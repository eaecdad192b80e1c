import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Failure } from '../../protocol.ts';
import type { Staged } from '../build/stage.ts';
import { runStep } from '../build/steps.ts';
import { type Aside, bringDatabases } from '../canary/own-entries.ts';
import { type Context, inform, warn } from '../context.ts';
import type { Places } from '../state/places.ts';
import { loadTransaction } from '../state/transaction.ts';
import { removeUnknown } from '../swap/remove-unknown.ts';
import { fields, text } from '../system/checked.ts';
import { type Format, readVersioned, writeVersioned } from '../system/versioned.ts';

/**
 * Runs `migrate-command` in the staged version, which sees what the live app sees: its `.env`, its uploads, its database
 * file. A database that the command makes becomes the live app's. Says whether there was a command. A rollback runs none:
 * no command can be trusted to undo one.
 */
export async function migrate(
  context: Context,
  { staging }: Staged,
  { version, ownHome, showOwn }: Aside,
): Promise<boolean> {
  const { plan, places } = context;
  if (plan.mode === 'rollback' || plan.steps.migrate.kind === 'none') return false;
  writeVersioned(noteOf(places), FORMAT, { deployId: plan.deployId });
  showOwn();
  try {
    await runStep(context, 'migrate', { top: staging, workDir: join(staging, plan.workingDirectory) });
  } finally {
    const { brought, left } = bringDatabases(staging, ownHome, version);
    for (const path of brought)
      inform(context.log, `migrate-command made the database ${path}. It is in ${ownHome} now.`);
    for (const path of left)
      warn(context.log, `migrate-command made ${path}, but ${ownHome} has something there. It was removed.`);
    removeUnknown(staging, version);
  }
  return true;
}

export const NOT_UNDONE = 'migrate-command ran before that, and the schema was not rolled back.';

/** Files and PM2 go back after a failure. A schema does not, and whoever reads the failure has to know. */
export function withMigration(failure: Failure, migrated: boolean): Failure {
  return migrated ? { ...failure, message: `${failure.message} ${NOT_UNDONE}` } : failure;
}

/** What is known of a migration whose program was killed before it noted anything else. */
export const MAY_HAVE_RUN = 'Its migrate-command had begun. What that did to the database stays.';

/** The deploy whose program was killed after its `migrate-command` began, and before the deploy was noted as a whole; or null. */
export function migrationLeft({ places }: Pick<Context, 'places'>): string | null {
  const begun = readVersioned(noteOf(places), FORMAT)?.deployId ?? null;
  // From there on the transaction says whether it has run.
  return begun === null || loadTransaction(places.state)?.deployId === begun ? null : begun;
}

/** To be called once a deploy has said what it did. */
export function forgetMigration({ places }: Pick<Context, 'places'>): void {
  rmSync(noteOf(places), { force: true });
}

const noteOf = ({ state }: Places): string => join(state, 'migration.json');

/** Says that a command has begun which nothing undoes. */
const FORMAT: Format<{ deployId: string }> = {
  what: 'The note of a migration',
  readers: [fields({ deployId: text })],
};
