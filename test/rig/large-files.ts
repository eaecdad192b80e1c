import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';

/** What a git server keeps for Git LFS: contents by their SHA-256. */
export type LargeFiles = Map<string, string>;

/** Puts a content there, and gives the pointer that git keeps in its place. */
export function keepLargeFile(files: LargeFiles, content: string): string {
  const id = createHash('sha256').update(content).digest('hex');
  files.set(id, content);
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${id}\nsize ${Buffer.byteLength(content)}\n`;
}

/**
 * Answers what git-lfs asks below `base`, which is `https://…/info/lfs`: which contents there are, and each content, for which
 * it says the login that it was asked with.
 */
export async function answerLargeFiles(
  request: IncomingMessage,
  response: ServerResponse,
  base: string,
  rest: string,
  files: LargeFiles,
): Promise<void> {
  const reply = (status: number, type: string, body: string): void =>
    void response.writeHead(status, { 'Content-Type': type }).end(body);
  if (rest === '/objects/batch') {
    const { objects } = JSON.parse(await text(request)) as { objects: { oid: string; size: number }[] };
    const header = { Authorization: request.headers.authorization };
    const answers = objects.map(({ oid, size }) =>
      files.has(oid)
        ? {
            oid,
            size,
            authenticated: true,
            actions: { download: { href: `${base}/objects/${oid}`, header } },
          }
        : { oid, size, error: { code: 404, message: 'Object does not exist on the server' } },
    );
    reply(200, 'application/vnd.git-lfs+json', JSON.stringify({ transfer: 'basic', objects: answers }));
    return;
  }
  const content = files.get(rest.replace('/objects/', ''));
  reply(content === undefined ? 404 : 200, 'application/octet-stream', content ?? '');
}
