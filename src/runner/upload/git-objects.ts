import { createHash } from 'node:crypto';

/** What git stores, under a name that is the digest of its content. */
export type ObjectKind = 'commit' | 'tree' | 'blob';

/** One name in a directory: `id` is that of the content. */
export interface NamedObject {
  name: string;
  mode: '100644' | '100755' | '120000' | '40000';
  id: string;
}

/** Git names an object by the SHA-1 of this line and the content. */
export function headerOf(kind: ObjectKind, size: number): string {
  return `${kind} ${size}\0`;
}

export function idOf(kind: ObjectKind, content: Buffer): string {
  return createHash('sha1').update(headerOf(kind, content.length)).update(content).digest('hex');
}

/** A directory as git stores it: its names in the order of their bytes, directories as if they ended in `/`. */
export function treeContent(names: readonly NamedObject[]): Buffer {
  const keyed = names.map((one) => ({
    one,
    key: Buffer.from(one.mode === '40000' ? `${one.name}/` : one.name),
  }));
  keyed.sort((a, b) => Buffer.compare(a.key, b.key));
  return Buffer.concat(
    keyed.flatMap(({ one: { mode, name, id } }) => [
      Buffer.from(`${mode} ${name}\0`),
      Buffer.from(id, 'hex'),
    ]),
  );
}

/**
 * The commit of an upload: the files, and the commit that they were built from. It holds neither a time nor a name of
 * anybody, so that the same files of the same commit are always the same upload.
 */
export function commitContent(tree: string, builtFrom: string): Buffer {
  const nobody = 'the workflow <upload@pm2-ssh-deploy.invalid> 0 +0000';
  return Buffer.from(
    `tree ${tree}\nauthor ${nobody}\ncommitter ${nobody}\n\nUpload built from ${builtFrom.slice(0, 7)}\n\nBuilt from ${builtFrom}\n`,
  );
}
