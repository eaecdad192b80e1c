import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makeCertificate } from './certificates.ts';
import { answerLargeFiles, type LargeFiles } from './large-files.ts';

export interface GitServerOptions {
  /** Bare repositories by their name on the server, `owner/name`; all of them are private. */
  repositories: Record<string, string>;
  /** What each password may read, whatever the user's name is; `forbidden` may be asked for, and is answered with 403. */
  reads: Record<string, readonly string[] | 'forbidden'>;
  /** What the repositories keep in Git LFS. It may be added to later. */
  largeFiles?: LargeFiles;
  /** If it is set: how all that is asked of Git LFS is answered, whatever the login. It may change. */
  largeFilesRefused?: { status: number | null };
  /** Paths by what they begin with, and where they are redirected to. */
  moved?: Record<string, string>;
}

/** A git server over https that answers as GitHub's does. */
export interface GitServer extends AsyncDisposable {
  /** `https://localhost:<port>`. */
  url: string;
  /** The certificate that vouches for `localhost` and 127.0.0.1. */
  ca: string;
  /** All that were made, with the password that each showed. */
  requests: { path: string; password: string | null }[];
  stop(): Promise<void>;
}

/** Starts the server on 127.0.0.1, with a certificate of its own. */
export async function startGitServer(options: GitServerOptions): Promise<GitServer> {
  const directory = mkdtempSync(path.join(tmpdir(), 'git-server-'));
  const ca = path.join(directory, 'cert.pem');
  const certificate = makeCertificate(directory);
  const requests: GitServer['requests'] = [];
  const server = createServer(certificate, (request, response) => {
    const { pathname } = new URL(request.url ?? '', 'https://localhost');
    const password = passwordOf(request);
    requests.push({ path: pathname, password });
    answer(options, request, response, pathname, password);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(directory, { recursive: true, force: true });
  };
  const { port } = server.address() as AddressInfo;
  return { url: `https://localhost:${port}`, ca, requests, stop, [Symbol.asyncDispose]: stop };
}

function answer(
  { repositories, reads, largeFiles = new Map(), largeFilesRefused, moved = {} }: GitServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  pathname: string,
  password: string | null,
): void {
  const refuse = (status: number, text: string): void => {
    const login = status === 401 ? { 'WWW-Authenticate': 'Basic realm="GitHub"' } : {};
    response.writeHead(status, { 'Content-Type': 'text/plain; charset=UTF-8', ...login }).end(text);
  };
  const [, name = '', rest = ''] = /^\/([^/]+\/[^/]+?)(?:\.git)?(\/.*)$/.exec(pathname) ?? [];
  const may = password === null ? undefined : reads[password];
  const repository = repositories[name];
  const [from, to] = Object.entries(moved).find(([start]) => pathname.startsWith(start)) ?? [];
  if (may === undefined) {
    refuse(401, password === null ? '' : 'Invalid username or token.');
  } else if (from !== undefined) {
    response.writeHead(301, { Location: `${to}${(request.url ?? '').slice(from.length)}` }).end();
  } else if (may === 'forbidden') {
    refuse(403, 'Write access to repository not granted.');
  } else if (repository === undefined || !may.includes(name)) {
    refuse(404, 'Repository not found.');
  } else if (rest.startsWith('/info/lfs/') && largeFilesRefused?.status) {
    refuse(largeFilesRefused.status, 'No large files.');
  } else if (rest.startsWith('/info/lfs/')) {
    const base = `https://${request.headers.host}/${name}.git/info/lfs`;
    void answerLargeFiles(request, response, base, rest.slice('/info/lfs'.length), largeFiles);
  } else {
    serve(request, response, repository, rest);
  }
}

/** Hands a request to git's own server program (CGI). */
function serve(request: IncomingMessage, response: ServerResponse, repository: string, rest: string): void {
  const url = new URL(request.url ?? '', 'https://localhost');
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env.PATH,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_PROJECT_ROOT: repository,
      PATH_INFO: rest,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REMOTE_ADDR: '127.0.0.1',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.on('error', () => {});
  request.pipe(child.stdin);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.once('close', () => {
    const whole = Buffer.concat(chunks);
    const end = whole.indexOf('\r\n\r\n');
    const headers = new Map<string, string>();
    for (const line of whole.subarray(0, end).toString('latin1').split('\r\n')) {
      const colon = line.indexOf(':');
      headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    const status = Number.parseInt(headers.get('status') ?? '200', 10);
    headers.delete('status');
    response.writeHead(status, Object.fromEntries(headers)).end(whole.subarray(end + 4));
  });
}

function passwordOf(request: IncomingMessage): string | null {
  const [, encoded] = /^Basic (.+)$/.exec(request.headers.authorization ?? '') ?? [];
  return encoded === undefined
    ? null
    : Buffer.from(encoded, 'base64')
        .toString('utf8')
        .replace(/^[^:]*:/, '');
}
