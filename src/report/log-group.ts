import { endGroup, startGroup } from '@actions/core';

/** The group of the job's log that is open. GitHub folds no group within another, so there is one for all hosts. */
let open: string | null = null;

/** Folds what is printed from here on under `name`. */
export function enterGroup(name: string): void {
  if (open === name) return;
  leaveGroup();
  startGroup(name);
  open = name;
}

/** Ends the group, if one is open: an end without a beginning would show as a line of the log. */
export function leaveGroup(): void {
  if (open !== null) endGroup();
  open = null;
}
