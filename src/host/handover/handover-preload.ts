/**
 * The text of a CommonJS file that Node loads before an app's own code, a text so that no bundler changes it. Runs on
 * Node 16 and later; what it exports is called with `{ share, drain }`, what it may do.
 *
 * - share: fork mode, on a Node that has `reusePort`. The app's TCP ports can be shared with its own successor: with an
 *   entry of the same name in the same PM2 that another deploy started. Whoever else wants the port, or has it already,
 *   meets EADDRINUSE as ever.
 * - drain: before the app is told that PM2 stops it, listeners close, answers say `Connection: close`, idle connections end, and requests in flight are waited for. Then the app's own
 *   handlers run; without any, the process ends by the signal that it was sent.
 *
 * With either one, SIGURG drains too: the host program asks, and the process stays. To the outside it tells by descriptors of its own file what it is ready for: one while it can be drained, a second one
 * while all ports that it has can be shared, none once it is drained. It does nothing outside of PM2 and nothing before
 * the first `listen`, and it never throws.
 */
export const PRELOAD = String.raw`'use strict';
module.exports = function install(may) {
  const KEY = Symbol.for('pm2-ssh-deploy.handover');
  const env = process.env;
  let pm2 = null;
  try {
    // A cluster worker is told all in one variable; its environment is set later.
    pm2 = env.pm2_env !== undefined ? JSON.parse(env.pm2_env) : env.pm_id !== undefined ? { ...env } : null;
  } catch {}
  if (pm2 === null || globalThis[KEY] || !require('worker_threads').isMainThread) return;
  globalThis[KEY] = true;

  const fs = require('fs');
  const net = require('net');
  const cluster = require('cluster');
  const HOME = env.PM2_HOME || pm2.PM2_HOME || '';
  const DEPLOY = 'PM2_SSH_DEPLOY_ID';
  const STOP = pm2.PM2_KILL_SIGNAL || env.PM2_KILL_SIGNAL || 'SIGINT';
  const KILL_TIMEOUT = Number(pm2.kill_timeout) > 0 ? Number(pm2.kill_timeout) : 1600;
  /** PM2 kills what is still there at the end of its time. */
  const RESERVE = 300;
  /** Kept connections, where there are any, have so long to ask once more, and to be told to go. */
  const LINGER = 1000;
  /** A new connection has so long to send its first byte, or to become one of TLS. */
  const HANDSHAKE = 1000;
  const SOFT_LIMIT = 30000;
  /** A busy listener is closed after so long, whatever waits in its queue. */
  const PATIENCE = 4000;
  /** The primary of an app's own cluster needs so long to give its workers what it has accepted. */
  const SHARED_OUT = 100;
  const [major, minor] = process.versions.node.split('.').map(Number);
  const knowsReusePort = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
  const isOfPm2sCluster = env.pm2_env !== undefined;
  const canShare = may.share === true && knowsReusePort && process.platform === 'linux' && !isOfPm2sCluster;
  const drainsAtStop = may.drain === true;
  const canDrain = drainsAtStop || canShare;
  const quietly = (work) => {
    try { return work(); } catch { return undefined; }
  };

  // ---- Sharing a port with the app's own successor

  /** Descriptors of this file, as the host program counts them. */
  const marks = [];
  const mark = (count) => quietly(() => {
    while (marks.length > count) fs.closeSync(marks.pop());
    while (marks.length < count) marks.push(fs.openSync(__filename, 'r'));
  });

  /** Sockets that listen. They come first in the file: behind them may be tens of thousands of others. */
  function listeners() {
    const found = [];
    for (const [file, family] of [['/proc/net/tcp', 4], ['/proc/net/tcp6', 6]]) {
      let fd;
      try { fd = fs.openSync(file, 'r'); } catch { continue; }
      try {
        const bytes = Buffer.allocUnsafe(16384);
        let rest = '';
        reading: for (let n; (n = fs.readSync(fd, bytes, 0, bytes.length, null)) > 0;) {
          const lines = (rest + bytes.latin1Slice(0, n)).split('\n');
          rest = lines.pop();
          for (const line of lines) {
            const fields = line.trim().split(/\s+/);
            if (fields[0] === 'sl') continue;
            if (fields[3] !== '0A') break reading;
            const [address, port] = fields[1].split(':');
            found.push({ family, address, port: parseInt(port, 16), socket: 'socket:[' + fields[9] + ']' });
          }
        }
      } finally {
        fs.closeSync(fd);
      }
    }
    return found;
  }

  /** An address as /proc has it: words of four bytes, little end first. Null for a name: it may be any. */
  function addressOf(host) {
    const hex = (bytes) => {
      let text = '';
      for (let word = 0; word < bytes.length; word += 4)
        for (let at = word + 3; at >= word; at--) text += bytes[at].toString(16).padStart(2, '0').toUpperCase();
      return text;
    };
    if (net.isIPv4(host)) return { family: 4, address: hex(host.split('.').map(Number)) };
    if (!net.isIPv6(host) || host.includes('.')) return null;
    const [head, tail] = host.split('%')[0].split('::').map((part) => part.split(':').filter(Boolean));
    const middle = tail === undefined ? [] : Array(8 - head.length - tail.length).fill('0');
    const groups = [...head, ...middle, ...(tail || [])].map((group) => parseInt(group, 16));
    return { family: 6, address: hex(groups.flatMap((group) => [group >> 8, group & 255])) };
  }
  const isAny = (one) => /^0+$/.test(one.address);
  function overlap(wanted, there) {
    if (wanted === null) return true;
    if (wanted.family === there.family) return wanted.address === there.address || isAny(wanted) || isAny(there);
    return wanted.family === 6 ? isAny(wanted) : isAny(there);
  }

  /** Sockets on this port that are not this app's predecessor's. Whoever cannot be looked at is a stranger. */
  function strangers(port, host, own) {
    const wanted = host === undefined || host === '' ? { family: 6, address: '0'.repeat(32) } : addressOf(host);
    const left = new Set(listeners().filter((one) => one.port === port && overlap(wanted, one)).map(({ socket }) => socket));
    if (own !== undefined) left.delete(own);
    if (left.size === 0 || pm2[DEPLOY] === undefined) return left;
    for (const pid of fs.readdirSync('/proc')) {
      if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
      let variables;
      try { variables = new Map(fs.readFileSync('/proc/' + pid + '/environ', 'utf8').split('\0').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])); } catch { continue; }
      if (variables.get('PM2_HOME') !== HOME || variables.get('name') !== pm2.name) continue;
      if (variables.get(DEPLOY) === undefined || variables.get(DEPLOY) === pm2[DEPLOY]) continue;
      let descriptors = [];
      try { descriptors = fs.readdirSync('/proc/' + pid + '/fd'); } catch {}
      for (const one of descriptors) {
        quietly(() => left.delete(fs.readlinkSync('/proc/' + pid + '/fd/' + one)));
        if (left.size === 0) return left;
      }
    }
    return left;
  }

  /** A process that is just ending holds its socket a moment longer than it can be seen to. */
  function strangersThatStay(port, host, own) {
    for (let look = 0; look < 5; look++) {
      if (strangers(port, host, own).size === 0) return false;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
    return true;
  }

  const numberIn = (value) => (Number(value) >= 0 ? Number(value) : 0);
  /** Where a listen(...) wants to, in the one form that takes reusePort; null where that is no fixed TCP port. */
  function tcpOptions(args) {
    const [first] = args;
    const isObject = typeof first === 'object' && first !== null;
    if (isObject && (first._handle || first.handle || first.fd !== undefined || first.path !== undefined || typeof first.close === 'function')) return null;
    const given = isObject ? first.port : first;
    const port = typeof given === 'string' && given.trim() === '' ? NaN : Number(given === null ? NaN : given);
    if (!Number.isInteger(port) || port <= 0 || port > 65535) return null;
    const options = isObject ? { ...first } : { port };
    if (!isObject && typeof args[1] === 'string') options.host = args[1];
    const backlog = options.backlog || numberIn(args[1]) || numberIn(args[2]);
    if (backlog > 0) options.backlog = backlog;
    return options;
  }

  let allShared = true;
  const listen = net.Server.prototype.listen;
  net.Server.prototype.listen = function (...args) {
    let passed = args;
    quietly(() => {
      const options = tcpOptions(args);
      const isHttp = typeof this.keepAliveTimeout === 'number';
      if (canDrain && (options !== null || isHttp)) track(this);
      if (options === null || !canShare || cluster.isWorker || options.reusePort) return;
      const { port, host } = options;
      if (strangersThatStay(port, host)) {
        allShared = false;
        mark(Math.min(marks.length, 1));
        return;
      }
      const last = args[args.length - 1];
      passed = [{ ...options, reusePort: true }, ...(typeof last === 'function' ? [last] : [])];
      // Two apps that boot at the same moment must not both have it.
      this.prependOnceListener('listening', () => quietly(() => {
        const at = this._handle && this._handle.fd;
        const own = typeof at === 'number' && at >= 0 ? fs.readlinkSync('/proc/self/fd/' + at) : undefined;
        if (own !== undefined && strangersThatStay(port, host, own)) refuse(this, port, host);
        else if (allShared) mark(2);
      }));
    });
    return listen.apply(this, passed);
  };

  function refuse(server, port, host) {
    allShared = false;
    const error = Object.assign(new Error('listen EADDRINUSE: address already in use ' + (host || '::') + ':' + port), {
      code: 'EADDRINUSE', errno: -98, syscall: 'listen', address: host || '::', port,
    });
    net.Server.prototype.close.call(server);
    process.nextTick(() => server.emit('error', error));
  }

  // ---- Draining

  if (!canDrain) return;
  const nothing = () => {};
  const servers = new Map();
  /** 'idle', 'draining' or 'drained'. */
  let state = 'idle';
  let armed = false;
  let since = 0;
  let deadline = 0;
  /** What PM2 has sent, to be handed on. */
  let stop = null;
  let hold = null;

  function track(server) {
    if (servers.has(server)) return;
    const known = { sockets: new Map(), sessions: new Set(), accepted: 0, closed: false, handle: null };
    servers.set(server, known);
    const add = (socket) => {
      known.accepted += 1;
      known.sockets.set(socket, Date.now());
      socket.once('close', () => known.sockets.delete(socket));
    };
    server.on('connection', add);
    // The primary of an app's own cluster takes the listener away from its server.
    server.prependListener('listening', () => {
      known.handle = server._handle;
    });
    server.on('secureConnection', add);
    server.on('session', (session) => {
      if (typeof session.goaway !== 'function') return;
      known.sessions.add(session);
      if (known.closed) dismiss(session);
      session.once('close', () => known.sessions.delete(session));
    });
    if (armed) return;
    armed = true;
    mark(1);
    // To be ignored is what becomes of it without a handler: it can be sent to anybody.
    process.on('SIGURG', nothing);
    if (!drainsAtStop) return;
    process.on(STOP, nothing);
    if (String(pm2.shutdown_with_message) === 'true') {
      process.on('message', nothing);
      if (process.channel) process.channel.unref();
    }
  }

  // Before anybody can have added a listener: Node binds it for signals then.
  const emit = process.emit;
  process.emit = function (event, ...args) {
    if (armed && event === 'SIGURG') {
      if (state === 'idle') quietly(() => drain(SOFT_LIMIT));
      return true;
    }
    const stops = event === STOP || (event === 'message' && args[0] === 'shutdown' && String(pm2.shutdown_with_message) === 'true');
    if (!armed || !stops || !drainsAtStop) return emit.call(this, event, ...args);
    if (stop !== null) return state === 'passed' ? emit.call(this, event, ...args) : true;
    stop = [event, ...args];
    const own = process.listenerCount(event) > 1;
    // Nobody takes over: what the app does itself is not to be delayed.
    if (state === 'drained' || (state === 'idle' && own && !hasSuccessor())) pass();
    else if (quietly(() => (drain(own ? KILL_TIMEOUT / 2 : KILL_TIMEOUT - RESERVE), true)) !== true) pass();
    return true;
  };

  /** Hands on what PM2 has sent, as if this file were not here. */
  function pass() {
    state = 'passed';
    mark(0);
    clearInterval(hold);
    process.removeListener(STOP, nothing);
    process.removeListener('message', nothing);
    const [event] = stop;
    if (process.listenerCount(event) > 0) emit.apply(process, stop);
    else if (event === STOP) process.kill(process.pid, STOP);
    else process.exit(0);
  }

  /** Whether others accept connections for this app: only then it pays to wait for kept ones to come once more. */
  function hasSuccessor() {
    if (isOfPm2sCluster || cluster.isWorker) return true;
    const all = quietly(listeners) || [];
    const count = (port) => all.filter((one) => one.port === port).length;
    const mine = new Map();
    for (const server of servers.keys()) {
      const address = quietly(() => server.address());
      if (address && address.port) mine.set(address.port, (mine.get(address.port) || 0) + 1);
    }
    return [...mine].some(([port, own]) => count(port) > own);
  }

  const lastOne = (response) => quietly(() => {
    if (response && !response.headersSent) response.shouldKeepAlive = false;
  });

  function drain(limit) {
    deadline = Date.now() + limit;
    if (state !== 'idle') return;
    state = 'draining';
    since = Date.now();
    const linger = hasSuccessor() ? Math.min(LINGER, limit / 2) : 0;
    quietly(() => require('diagnostics_channel').channel('http.server.request.start').subscribe(({ response }) => lastOne(response)));
    for (const [server, known] of servers) {
      for (const socket of known.sockets.keys()) lastOne(socket._httpMessage);
      quietly(() => countAccepted(known));
      // Who is told to go comes back at once, and should meet the successor alone.
      closeAtQuietMoment(server, known, limit, () => {
        quietly(() => closeListener(server, known));
        for (const session of known.sessions) dismiss(session);
      });
    }
    // An app that uses node:cluster itself: the last worker to close would have the queue of the listener reset, so they
    // are told when it is closed, and what it took is shared out.
    const workers = cluster.isWorker ? [] : Object.values(cluster.workers || {});
    let closedAt = 0;
    let primaryKnows = !cluster.isWorker;
    let workersTold = workers.length === 0;
    const timer = setInterval(() => {
      const age = Date.now() - since;
      const expectsMore = !primaryKnows || [...servers.values()].some(({ sockets }) => sockets.size > 0);
      const lingers = age < linger && expectsMore;
      const isClosed = [...servers.values()].every(({ closed }) => closed);
      let busy = lingers || !isClosed;
      if (closedAt === 0 && isClosed) {
        closedAt = Date.now();
        if (cluster.isWorker) tellPrimary(() => { primaryKnows = true; });
      }
      if (!workersTold && closedAt > 0 && Date.now() - closedAt >= SHARED_OUT) {
        workersTold = true;
        for (const worker of workers) quietly(() => worker.process.kill('SIGURG'));
      }
      if (!workersTold) busy = true;
      if (!busy) busy = workers.some((worker) => quietly(() => isUndrained(worker.process.pid)) === true);
      if (!lingers)
        for (const [server, known] of servers) if (quietly(() => hasWork(server, known)) === true) busy = true;
      if (busy && Date.now() < deadline) return;
      clearInterval(timer);
      state = 'drained';
      mark(0);
      // Without anything left to do it would end, and PM2 would start it anew.
      hold = setInterval(nothing, 3600000);
      if (stop !== null) pass();
    }, 20);
  }

  /**
   * A cluster's primary may be handing a connection to this worker, which has closed: if it ends now, nobody ever answers
   * that one. Messages keep their order, so once the primary has answered one of ours nothing is on its way any more.
   * Of those that Node's cluster knows this one is answered, and does no more than say that the worker ends by itself.
   */
  function tellPrimary(then) {
    if (!process.connected) return then();
    const seq = 'pm2-ssh-deploy';
    quietly(() => {
      process.on('internalMessage', (message) => message && message.ack === seq && then());
      process.send({ cmd: 'NODE_CLUSTER', act: 'exitedAfterDisconnect', seq }, nothing);
    });
  }

  /** First that an HTTP/2 client should open no more streams, later that none is taken: so none is refused. */
  function dismiss(session) {
    quietly(() => session.goaway(0, 2 ** 31 - 1));
    setTimeout(() => quietly(() => session.close()), 500);
  }

  function isUndrained(pid) {
    return fs.readdirSync('/proc/' + pid + '/fd').some((one) => quietly(() => fs.readlinkSync('/proc/' + pid + '/fd/' + one)) === __filename);
  }

  /**
   * The kernel resets what waits in the queue of a listener that closes, and Node takes one connection a turn. After a
   * short turn that brought none the queue was empty a moment ago: the handle is closed at once, and all else after it.
   */
  function closeAtQuietMoment(server, known, limit, then) {
    if (!canShare) return then();
    const patience = BigInt(Math.round(Math.min(limit / 2, PATIENCE))) * 1000000n;
    const started = process.hrtime.bigint();
    let turns = 0;
    let seen = known.accepted;
    let before = started;
    const turn = () => {
      const now = process.hrtime.bigint();
      const age = now - started;
      const short = age < patience / 2n ? 30000n : age < (patience * 3n) / 4n ? 150000n : 1000000n;
      turns += 1;
      if ((turns > 2 && known.accepted === seen && now - before < short) || age > patience) {
        const handle = server._handle || known.handle;
        if (handle && typeof handle.close === 'function') handle.close();
        return then();
      }
      seen = known.accepted;
      before = process.hrtime.bigint();
      setImmediate(turn);
    };
    setImmediate(turn);
  }

  function countAccepted(known) {
    const { handle } = known;
    if (!handle || typeof handle.onconnection !== 'function') return;
    const take = handle.onconnection;
    handle.onconnection = function (...args) {
      known.accepted += 1;
      return take.apply(this, args);
    };
  }

  function closeListener(server, known) {
    known.closed = true;
    if (!server._handle) {
      if (known.handle && typeof known.handle.close === 'function') known.handle.close();
      return;
    }
    // Not that of http, which ends idle connections at once.
    net.Server.prototype.close.call(server);
    // The app's own close() is yet to come.
    server.close = function (done) {
      if (typeof done === 'function') {
        if (server._connections > 0) server.once('close', () => done());
        else setImmediate(done);
      }
      if (typeof server.closeIdleConnections === 'function') server.closeIdleConnections();
      return server;
    };
  }

  /** Whether anything must still be waited for. Ends what is idle; WebSockets and event streams are not waited for. */
  function hasWork(server, known) {
    if (typeof server.closeIdleConnections === 'function') server.closeIdleConnections();
    let busy = [...known.sessions].some((session) => !session.destroyed);
    for (const [socket, at] of known.sockets) {
      // Ended, or a WebSocket.
      if (socket.destroyed || socket.parser === null) continue;
      const isNew = Date.now() - at < HANDSHAKE;
      // Not HTTP, or the raw side of TLS, which may not have shaken hands yet.
      if (!('parser' in socket)) {
        if (isNew) busy = true;
        continue;
      }
      const response = socket._httpMessage;
      if (response) {
        if (!/^content-type: *text\/event-stream/im.test(response._header || '')) busy = true;
      } else if (socket.bytesRead > 0 || isNew) busy = true;
      else socket.destroy();
    }
    return busy;
  }
};
`;
