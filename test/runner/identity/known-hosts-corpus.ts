import { createHmac } from 'node:crypto';
import { pick, type Random, random } from '../../rig/random.ts';

/** Public keys as `type base64`: three that a server of the test has, and others. */
export interface CorpusKeys {
  ed25519: string;
  rsa: string;
  ecdsa: string;
  others: readonly string[];
}

export type Presented = 'ed25519' | 'rsa' | 'ecdsa';

/** A known_hosts text, and the endpoint that shows the key. */
export interface CorpusCase {
  what: string;
  text: string;
  host: string;
  port: number;
  presented: Presented;
}

const HOST = 'web1.example.com';

/** Cases that somebody thought of. */
export function writtenCases({ ed25519, rsa, ecdsa, others }: CorpusKeys): CorpusCase[] {
  const [other = '', otherRsa = '', otherEcdsa = ''] = others;
  const base64 = ed25519.split(' ')[1] ?? '';
  const rows: Array<[what: string, text: string, host?: string, port?: number, presented?: Presented]> = [
    ['an empty file', ''],
    ['the name', `${HOST} ${ed25519}`],
    ['the name of another', `web2.example.com ${ed25519}`],
    ['a part of the name', `example.com ${ed25519}`],
    ['another key', `${HOST} ${other}`],
    ['a key of another type', `${HOST} ${rsa}`],
    ['RSA', `${HOST} ${rsa}`, HOST, 22, 'rsa'],
    ['another RSA key', `${HOST} ${otherRsa}`, HOST, 22, 'rsa'],
    ['RSA by the name of a signature', `${HOST} ${rsa.replace('ssh-rsa', 'rsa-sha2-512')}`, HOST, 22, 'rsa'],
    ['RSA by the other one', `${HOST} ${rsa.replace('ssh-rsa', 'rsa-sha2-256')}`, HOST, 22, 'rsa'],
    ['ECDSA', `${HOST} ${ecdsa}`, HOST, 22, 'ecdsa'],
    ['another ECDSA key', `${HOST} ${otherEcdsa}`, HOST, 22, 'ecdsa'],
    ['several types', `${HOST} ${rsa}\n${HOST} ${ecdsa}\n${HOST} ${ed25519}`, HOST, 22, 'ecdsa'],
    ['several keys of a type', `${HOST} ${other}\n${HOST} ${ed25519}`],
    ['upper case in the file', `WEB1.Example.COM ${ed25519}`],
    ['upper case in the host', `${HOST} ${ed25519}`, 'WEB1.example.COM'],
    ['upper case in the host, hashed', `${hashed(HOST)} ${ed25519}`, 'WEB1.example.COM'],
    ['upper case in the hash', `${hashed('WEB1.example.com')} ${ed25519}`],
    ['a letter that only looks like one', `wEB1.example.com,\u212Aiwi ${ed25519}`, 'kiwi'],
    ['a dot at the end', `${HOST}. ${ed25519}`],
    ['several names', `a,b,${HOST},c ${ed25519}`],
    ['several names with a blank', `a, ${HOST} ${ed25519}`],
    ['empty names', `,,${HOST},, ${ed25519}`],
    ['no names', ` ${ed25519}`],
    ['a port', `[${HOST}]:2222 ${ed25519}`, HOST, 2222],
    ['another port', `[${HOST}]:2222 ${ed25519}`, HOST, 2223],
    ['a port, but not the host', `[${HOST}]:2222 ${ed25519}`],
    ['the usual port', `[${HOST}]:22 ${ed25519}`],
    ['no port', `${HOST} ${ed25519}`, HOST, 2222],
    ['no port, another key', `${HOST} ${other}`, HOST, 2222],
    ['with and without port', `${HOST} ${other}\n[${HOST}]:2222 ${ed25519}`, HOST, 2222],
    ['another key with the port', `${HOST} ${ed25519}\n[${HOST}]:2222 ${other}`, HOST, 2222],
    ['another type with the port', `${HOST} ${ed25519}\n[${HOST}]:2222 ${rsa}`, HOST, 2222],
    ['a broken key with the port', `${HOST} ${ed25519}\n[${HOST}]:2222 ssh-ed25519 AAAA`, HOST, 2222],
    ['revoked with the port', `${HOST} ${ed25519}\n@revoked [${HOST}]:2222 ${ed25519}`, HOST, 2222],
    ['another revoked with the port', `${HOST} ${ed25519}\n@revoked [${HOST}]:2222 ${other}`, HOST, 2222],
    ['revoked without the port', `@revoked ${HOST} ${ed25519}\n[${HOST}]:2222 ${ed25519}`, HOST, 2222],
    ['pinned and revoked without the port', `@revoked ${HOST} ${ed25519}\n${HOST} ${ed25519}`, HOST, 2222],
    ['an authority with the port', `${HOST} ${ed25519}\n@cert-authority [${HOST}]:2222 ${other}`, HOST, 2222],
    ['brackets without a port', `[${HOST}] ${ed25519}`],
    ['a port without brackets', `${HOST}:2222 ${ed25519}`, HOST, 2222],
    ['any port', `[${HOST}]:* ${ed25519}`, HOST, 2222],
    ['any port is none', `[${HOST}]:* ${ed25519}`],
    ['a range of ports', `[${HOST}]:222? ${ed25519}`, HOST, 2229],
    ['a star', `*.example.com ${ed25519}`],
    ['a star for all', `* ${ed25519}`],
    ['a star for all and a port', `* ${ed25519}`, HOST, 2222],
    ['stars in the middle', `w*1.*a**e.com ${ed25519}`],
    ['a star at the end', `web1.* ${ed25519}`],
    ['a star for nothing', `web1*.example.com* ${ed25519}`],
    ['a star does not match', `*.example.org ${ed25519}`],
    ['several stars', `${'*w'.repeat(4)}x ${ed25519}`, 'w'.repeat(12)],
    ['question marks', `w??1.example.com ${ed25519}`],
    ['a question mark too many', `web?1.example.com ${ed25519}`],
    ['a question mark is no star', `web?.example.co? ${ed25519}`],
    ['a dot is a dot', `web1.example.com ${ed25519}`, 'web1xexample.com'],
    ['a class is none', `web[123].example.com ${ed25519}`],
    ['a plus is a plus', `web1+.example.com ${ed25519}`],
    ['a negation after', `*.example.com,!${HOST} ${ed25519}`],
    ['a negation before', `!${HOST},*.example.com ${ed25519}`],
    ['a negation of others', `*.example.com,!db.* ${ed25519}`],
    ['a negation alone', `!db.example.com ${ed25519}`],
    ['a negation by pattern', `*,!web* ${ed25519}`],
    ['a negation in another line', `*.example.com ${ed25519}\n!${HOST} ${ed25519}`],
    ['a negation twice', `*.example.com,!!${HOST} ${ed25519}`],
    ['a negation without the port', `*,!${HOST} ${ed25519}`, HOST, 2222],
    ['a negation with the port', `*,![${HOST}]:2222 ${ed25519}`, HOST, 2222],
    ['a negation of both', `*,!${HOST},![${HOST}]:2222 ${ed25519}`, HOST, 2222],
    ['a pattern that is too long', `${HOST},${'x'.repeat(1100)} ${ed25519}`],
    ['a pattern that is just too long', `${HOST},${'x'.repeat(1023)} ${ed25519}`],
    ['a pattern that is nearly too long', `${HOST},${'x'.repeat(1022)} ${ed25519}`],
    ['a hashed name', `${hashed(HOST)} ${ed25519}`],
    ['a hashed name of another', `${hashed('web2.example.com')} ${ed25519}`],
    ['a hashed name, another key', `${hashed(HOST)} ${other}`],
    ['a hashed name and port', `${hashed(`[${HOST}]:2222`)} ${ed25519}`, HOST, 2222],
    ['a hashed name without the port', `${hashed(HOST)} ${ed25519}`, HOST, 2222],
    ['a hashed name with more behind', `${hashed(HOST)}| ${ed25519}`],
    ['a hashed name in a list', `${hashed(HOST)},${HOST} ${ed25519}`],
    ['a hashed name behind another', `${HOST},${hashed('x')} ${ed25519}`],
    ['a hash of another version', `${hashed(HOST).replace('|1|', '|2|')} ${ed25519}`],
    ['a hash with a short salt', `${hashed(HOST, 'AAAA')} ${ed25519}`],
    ['a hash without padding', `${hashed(HOST).replace(/=+$/, '')} ${ed25519}`],
    ['a hash that is empty', `|1|| ${ed25519}`],
    ['a pipe', `| ${ed25519}`],
    ['a revoked key', `${HOST} ${ed25519}\n@revoked ${HOST} ${ed25519}`],
    ['a key revoked for all', `@revoked * ${ed25519}\n${HOST} ${ed25519}`],
    ['a key revoked by hash', `@revoked ${hashed(HOST)} ${ed25519}\n${HOST} ${ed25519}`],
    ['a key revoked for another', `@revoked web2.* ${ed25519}\n${HOST} ${ed25519}`],
    ['only revoked', `@revoked ${HOST} ${ed25519}`],
    ['another key revoked', `@revoked ${HOST} ${other}\n${HOST} ${ed25519}`],
    ['another key revoked, nothing pinned', `@revoked ${HOST} ${other}`],
    ['an authority', `@cert-authority *.example.com ${other}`],
    ['an authority with the very key', `@cert-authority ${HOST} ${ed25519}`],
    ['an authority beside the key', `@cert-authority * ${other}\n${HOST} ${ed25519}`],
    ['an authority beside another key', `@cert-authority * ${ed25519}\n${HOST} ${other}`],
    ['a marker and tabs', `@revoked\t${HOST}\t${ed25519.replace(' ', '\t')}\n${HOST} ${ed25519}`],
    ['a marker, a tab, a blank', `@revoked\t${HOST} ${ed25519}\n${HOST} ${ed25519}`],
    ['a marker, a blank, tabs', `@revoked \t ${HOST}\t${ed25519}\n${HOST} ${ed25519}`],
    ['a marker behind blanks', ` \t@revoked ${HOST} ${ed25519}\n${HOST} ${ed25519}`],
    ['two markers', `@revoked @revoked ${HOST} ${ed25519}\n${HOST} ${ed25519}`],
    ['an unknown marker', `@trusted ${HOST} ${ed25519}`],
    ['a marker in capitals', `@REVOKED ${HOST} ${ed25519}\n${HOST} ${ed25519}`],
    ['a marker without a name', `@ ${HOST} ${ed25519}`],
    ['a marker alone', '@revoked'],
    ['a comment', `# ${HOST} ${ed25519}`],
    ['a comment without a blank', `#${HOST} ${ed25519}`],
    ['a comment behind blanks', ` \t# ${HOST} ${ed25519}`],
    ['a comment behind the key', `${HOST} ${ed25519} # me@home`],
    ['a comment for a key', `${HOST} # ${ed25519}`],
    ['blank lines', `\n \n\t\n${HOST} ${ed25519}\n\n`],
    ['no line end', `${HOST} ${ed25519}`],
    ['CRLF', `# hello\r\n\r\n${HOST} ${ed25519}\r\n`],
    ['CRLF and a comment', `${HOST} ${ed25519} me\r\n`],
    ['a lone CR', `# hello\r${HOST} ${ed25519}\r`],
    ['a lone CR between keys', `web2 ${ed25519}\r${HOST} ${ed25519}`],
    ['tabs', `\t${HOST}\t${ed25519.replace(' ', '\t')}\tme`],
    ['many blanks', `  ${HOST} \t  ${ed25519.replace(' ', '   ')}`],
    ['other blanks', `${HOST}\u00A0${ed25519}`],
    ['a form feed', `${HOST}\f${ed25519}`],
    ['a byte order mark', `\uFEFF${HOST} ${ed25519}`],
    ['a name alone', HOST],
    ['no key', `${HOST} ssh-ed25519`],
    ['no type', `${HOST} ${base64}`],
    ['another type than the key', `${HOST} ssh-rsa ${base64}`],
    ['another curve than the key', `${HOST} ${ecdsa.replace(/nistp256 /, 'nistp384 ')}`, HOST, 22, 'ecdsa'],
    ['a type in capitals', `${HOST} SSH-ED25519 ${base64}`],
    ['a short name of a type', `${HOST} ed25519 ${base64}`],
    ['an unknown type', `${HOST} ssh-future ${base64}`],
    ['a key that is cut off', `${HOST} ${ed25519.slice(0, -8)}`],
    ['a key that is cut off, then whole', `${HOST} ${ed25519.slice(0, -8)}\n${HOST} ${ed25519}`],
    ['a key with more behind', `${HOST} ${ed25519}AAAA`],
    ['base64 with padding too many', `${HOST} ${ed25519}====`],
    ['base64 with something else', `${HOST} ${ed25519.slice(0, 40)}!${ed25519.slice(40)}`],
    [
      'base64 of another alphabet',
      `${HOST} ${rsa.replaceAll('+', '-').replaceAll('/', '_')}`,
      HOST,
      22,
      'rsa',
    ],
    ['base64 without padding', `${HOST} ${ecdsa.replace(/=+$/, '')}`, HOST, 22, 'ecdsa'],
    ['a point that is on no curve', `${HOST} ${otherEcdsa.slice(0, -6)}AAAAA=`, HOST, 22, 'ecdsa'],
    ['an SSH 1 key', `${HOST} 1024 35 1234567890`],
    ['an IPv4 address', `192.0.2.7 ${ed25519}`, '192.0.2.7'],
    ['an IPv4 address and a port', `[192.0.2.7]:2222 ${ed25519}`, '192.0.2.7', 2222],
    ['an IPv4 pattern', `192.0.2.* ${ed25519}`, '192.0.2.7'],
    ['a short IPv4 address', `127.0.0.1 ${ed25519}`, '127.1'],
    ['a short IPv4 address in the file', `127.1 ${ed25519}`, '127.1'],
    ['an IPv4 address as a number', `127.0.0.1 ${ed25519}`, '2130706433'],
    ['an IPv4 address in octal', `10.0.0.1 ${ed25519}`, '012.0.0.1'],
    ['an IPv4 address that is none', `300.0.0.1 ${ed25519}`, '300.0.0.1'],
    ['an IPv6 address', `2001:db8::1 ${ed25519}`, '2001:db8::1'],
    ['an IPv6 address in brackets', `[2001:db8::1] ${ed25519}`, '2001:db8::1'],
    ['an IPv6 address and a port', `[2001:db8::1]:2222 ${ed25519}`, '2001:db8::1', 2222],
    ['an IPv6 address in capitals', `2001:DB8::1 ${ed25519}`, '2001:db8::1'],
    ['a long IPv6 address', `2001:db8::1 ${ed25519}`, '2001:0DB8:0:0:0::1'],
    ['a long IPv6 address in the file', `2001:0db8:0:0:0:0:0:1 ${ed25519}`, '2001:db8::1'],
    ['an IPv4 address in IPv6', `::ffff:192.0.2.7 ${ed25519}`, '::ffff:c000:207'],
    ['an IPv6 pattern', `2001:db8:* ${ed25519}`, '2001:db8::1', 2222],
    ['a hashed IPv6 address', `${hashed('[2001:db8::1]:2222')} ${ed25519}`, '2001:DB8::1', 2222],
  ];
  return rows.map(([what, text, host = HOST, port = 22, presented = 'ed25519']) => ({
    what,
    text,
    host,
    port,
    presented,
  }));
}

/** Cases that nobody thought of: few hosts and keys, so that they often meet. */
export function randomCases(keys: CorpusKeys, count: number, seed: number): CorpusCase[] {
  const rand = random(seed);
  return Array.from({ length: count }, (_, index) => {
    const host = pick(rand, HOSTS);
    const port = pick(rand, [22, 22, 2222, 2223]);
    const presented = pick<Presented>(rand, ['ed25519', 'ed25519', 'rsa', 'ecdsa']);
    const lines = Array.from({ length: 1 + rand(4) }, () => randomLine(rand, keys, host, port, presented));
    return { what: `random ${seed}.${index}`, text: lines.join(''), host, port, presented };
  });
}

const HOSTS = [
  'a.example.com',
  'b.example.com',
  'B.Example.com',
  '10.0.0.1',
  '10.0.0.11',
  '2001:db8::a',
  '2001:DB8:0::A',
];

function randomLine(
  rand: Random,
  keys: CorpusKeys,
  host: string,
  port: number,
  presented: Presented,
): string {
  const marker = pick(rand, ['', '', '', '', '', '@revoked ', '@cert-authority ', '@revoked\t', '@other ']);
  const known =
    rand(3) > 0 ? keys[presented] : pick(rand, [keys.ed25519, keys.rsa, keys.ecdsa, ...keys.others]);
  const separator = pick(rand, [' ', ' ', ' ', '\t', '  ']);
  const end = pick(rand, ['\n', '\n', '\n', '\r\n', ' me@home\n', '\r', '\n\n']);
  const field = rand(4) === 0 ? hashed(nameOf(rand, host, port)) : randomList(rand, host, port);
  return damaged(rand, `${marker}${field}${separator}${known.replace(' ', separator)}`) + end;
}

function nameOf(rand: Random, host: string, port: number): string {
  const name = (rand(5) === 0 ? pick(rand, HOSTS) : host).toLowerCase();
  const shown = name === '2001:db8:0::a' ? '2001:db8::a' : name;
  return rand(3) === 0 || port === 22
    ? shown
    : `[${shown}]:${rand(6) === 0 ? pick(rand, [22, 2222, 2223]) : port}`;
}

function randomList(rand: Random, host: string, port: number): string {
  return Array.from({ length: 1 + rand(3) }, () => {
    let pattern = nameOf(rand, host, port);
    for (let changes = rand(3); changes > 0; changes -= 1) {
      const at = rand(pattern.length);
      const width = pick(rand, [1, 1, 2, 4]);
      pattern = pattern.slice(0, at) + pick(rand, ['?', '*', '*', '.', '']) + pattern.slice(at + width);
    }
    return `${rand(4) === 0 ? '!' : ''}${rand(5) === 0 ? pattern.toUpperCase() : pattern}`;
  }).join(',');
}

/** One line in six is damaged at one place. */
function damaged(rand: Random, line: string): string {
  if (rand(6) > 0) return line;
  const at = rand(line.length);
  return pick(rand, [
    line.slice(0, at),
    line.slice(0, at) + line.slice(at + 1),
    line.slice(0, at) +
      pick(rand, ['A', '=', ' ', '\t', '#', '|', '@', '!', ',', '\r', '\u00E9']) +
      line.slice(at),
    `#${line}`,
    ` ${line}`,
  ]);
}

/** A name as HashKnownHosts writes it. */
export function hashed(name: string, salt = Buffer.from('twenty bytes of salt').toString('base64')): string {
  const hash = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64');
  return `|1|${salt}|${hash}`;
}
