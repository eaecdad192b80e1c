import { get as getByHttp, type IncomingMessage } from 'node:http';
import { get as getByHttps, type RequestOptions as HttpsOptions } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** An answer that takes longer is none. Milliseconds. */
const ANSWERS_WITHIN = 5_000;
/** Bytes of a body that are read: a health check that goes on for longer has said enough. */
const READ = 64 * 1024;
/** Characters of a body that are told; secrets are taken out later, so that the cut is made between words. */
const TOLD = 1_000;

export interface AskOptions {
  /** Milliseconds. */
  timeLimit?: number;
  /** Gives the request up. */
  cancel?: AbortSignal;
  /** Asks at this port of 127.0.0.1, a canary's, whatever the URL names. The app sees the URL's own host name. */
  at?: number;
  /** Asks over this connection, which is open already. */
  over?: Socket;
}

/**
 * Makes `health-url` absolute: a path stands for the app's own port on this host. Of the ports on which the app is
 * expected it is the one that its PORT says, else the only one. Null if that is not one port.
 */
export function absoluteUrl(
  given: string,
  expected: readonly number[],
  declared: readonly number[],
): string | null {
  if (!given.startsWith('/')) return given;
  const own = expected.filter((port) => declared.includes(port));
  const [port, ...others] = own.length > 0 ? own : expected;
  return port === undefined || others.length > 0 ? null : `http://localhost:${port}${given}`;
}

/**
 * What is surely wrong with `/` of an app that nobody gave a health URL for, at this port of 127.0.0.1; else null. No page
 * has to be there: only a 5xx counts, and a connection that is closed without an answer, unless the app speaks TLS.
 */
export async function troubleAtRoot(port: number, at: number): Promise<string | null> {
  const complaint = await request(`http://localhost:${port}/`, null, { at });
  if (complaint === null) return null;
  const failed = (complaint.status ?? 0) >= 500;
  if (!failed && !CLOSED.has(complaint.code)) return null;
  if (!failed) {
    const overTls = await request(`https://localhost:${port}/`, null, { at });
    if (overTls === null || !(CLOSED.has(overTls.code) || overTls.code === 'EPROTO')) return null;
  }
  return sentence(`http://localhost:${port}/`, complaint);
}

const CLOSED = new Set(['ECONNRESET', 'EPIPE']);

/**
 * Requests a URL once, over a connection of its own, and follows no redirect. Resolves with null if the answer is
 * whole and 2xx, else with what is wrong, as a sentence without its full stop; parts of it are the app's own words.
 */
export async function complaintAbout(url: string, options: AskOptions = {}): Promise<string | null> {
  const { hostname } = new URL(url);
  // Not every Node tries both, and an app may listen on either one.
  const both = hostname === 'localhost' && options.at === undefined && options.over === undefined;
  const addresses = both ? ['127.0.0.1', '::1'] : [null];
  let absent: Complaint | null = null;
  for (const address of addresses) {
    const complaint = await request(url, address, options);
    if (complaint === null || !NOBODY_THERE.has(complaint.code)) return sentence(url, complaint);
    absent ??= complaint;
  }
  return sentence(url, absent);
}

const NOBODY_THERE = new Set([
  'ECONNREFUSED',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'ENETUNREACH',
  'EHOSTUNREACH',
]);

function sentence(url: string, complaint: Complaint | null): string | null {
  return complaint === null ? null : `${shownUrl(url)} ${complaint.why}`;
}

/** `why` goes on from the URL. `code` is Node's name for an error, or empty. */
interface Complaint {
  why: string;
  code: string;
  /** Of a whole answer. */
  status?: number;
}

function request(
  url: string,
  address: string | null,
  { timeLimit = ANSWERS_WITHIN, cancel, at, over }: AskOptions,
): Promise<Complaint | null> {
  return new Promise((resolve) => {
    let response: IncomingMessage | null = null;
    const body: Buffer[] = [];
    const settle = (complaint: Complaint | null): void => {
      clearTimeout(timer);
      resolve(complaint);
      asked.destroy();
    };
    const judge = (ending: Complaint | null): void => {
      const status = response?.statusCode ?? 0;
      const good = response === null || (status >= 200 && status < 300);
      settle(
        good ? ending : { why: aboutStatus(status, response?.headers.location, body), code: '', status },
      );
    };
    const late = (): void =>
      judge({
        why: `${response === null ? 'gave no answer' : 'did not finish its answer'} within ${timeLimit / 1000} s`,
        code: '',
      });

    const options: HttpsOptions = {
      agent: false,
      headers: { 'User-Agent': 'pm2-ssh-deploy', Accept: '*/*', Host: new URL(url).host },
    };
    if (at !== undefined) {
      const { hostname } = new URL(url);
      Object.assign(options, { hostname: '127.0.0.1', port: at });
      if (!hostname.startsWith('[') && isIP(hostname) === 0) options.servername = hostname;
    }
    if (over !== undefined) {
      const { protocol, hostname: host } = new URL(url);
      // With an agent, even with none, Node opens a connection of its own.
      delete options.agent;
      const servername = isIP(host) === 0 && !host.startsWith('[') ? host : '';
      options.createConnection = () =>
        protocol === 'https:' ? connectTls({ socket: over, host, servername }) : over;
    }
    if (address !== null) options.lookup = lookupOf(address);
    if (cancel !== undefined) options.signal = cancel;
    const asked = (url.startsWith('https:') ? getByHttps : getByHttp)(url, options);
    // What came while this process was busy is read first.
    const timer = setTimeout(() => setImmediate(late), timeLimit);
    asked.on('error', (error: NodeJS.ErrnoException) => {
      const code = error.code ?? error.message;
      judge({ why: response === null ? aboutError(code) : `broke off its answer (${code})`, code });
    });
    asked.on('response', (answer) => {
      response = answer;
      let size = 0;
      answer.on('data', (chunk: Buffer) => {
        body.push(chunk);
        size += chunk.length;
        if (size >= READ) judge(null);
      });
      answer.on('end', () => judge(null));
      answer.on('error', () => {});
      answer.on('close', () => judge({ why: 'broke off its answer', code: '' }));
    });
  });
}

/** Resolves every name to this address. Newer Nodes ask for a list. */
function lookupOf(address: string): NonNullable<HttpsOptions['lookup']> {
  const family = address.includes(':') ? 6 : 4;
  return (_host, { all }, done) => (all ? done(null, [{ address, family }]) : done(null, address, family));
}

/** A URL, or the path of one, as messages may show it: its query may hold a key, and its login is one. */
export function shownUrl(url: string): string {
  return url.replace(/([?#]).*$/s, '$1…').replace(/^([a-z]+:)?\/\/[^/]*@/i, '$1//');
}

function aboutStatus(status: number, location: string | undefined, body: readonly Buffer[]): string {
  if (status >= 300 && status < 400) {
    const to = location === undefined ? '' : ` to ${shownUrl(location.slice(0, 200))}`;
    return `answers ${status}, a redirect${to}; only 2xx is healthy, and no redirect is followed`;
  }
  const text = Buffer.concat(body).toString('utf8').replace(/\s+/g, ' ').trim();
  const told = text.length > TOLD ? text.slice(0, TOLD).replace(/ [^ ]*$/, ' …') : text;
  return `answers ${status}${told === '' ? ' with an empty body' : `: ${told}`}`;
}

function aboutError(code: string): string {
  switch (code) {
    case 'ECONNREFUSED':
      return `refuses connections (${code})`;
    case 'ECONNRESET':
    case 'EPIPE':
      return `closed the connection without an answer (${code})`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `has a name that cannot be resolved on the server itself (${code})`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `has a certificate for another name (${code}): use the name in the certificate, or ask the app itself over http`;
    case 'CERT_HAS_EXPIRED':
      return `has a certificate that has expired (${code})`;
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return `does not speak TLS (${code}): write http://`;
  }
  if (/CERT|SIGNATURE/.test(code))
    return `has a certificate that this server does not trust (${code}): ask the app itself over http, or export NODE_EXTRA_CA_CERTS with the file of its authority in \`shell-init\``;
  return code.startsWith('HPE_') ? `does not answer in HTTP (${code})` : `cannot be asked (${code})`;
}
