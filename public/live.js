// Changes of the list as they happen, with one stream for all tabs of a browser. A browser opens six connections to a
// host of HTTP/1.1: seven tabs with a stream each would leave none for anything else. The tab that holds the lock has
// the stream, and passes on what it hears. A hidden tab takes no part: its browser may put it to sleep, lock and all.

// A browser comes back by itself after a broken connection, but not after an answer that is no stream: a proxy's 502
// while the server restarts.
const RECONNECT_AFTER = 10_000;
// The page that signs out is leaving already, and is not to be held up.
const LEAVE_AFTER = 3_000;
const EVENTS = ['customers', 'signed-out'];
// In the history entry of a page that was loaded again because it could not read what it heard.
const MARK = 'unreadable';

// Gives each event's name and data to `hear`. Returns what ends it.
function open(url, hear) {
  let source, again;
  const connect = () => {
    source = new EventSource(url);
    for (const name of EVENTS) source.addEventListener(name, ({ data }) => hear(name, data));
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) again = setTimeout(connect, RECONNECT_AFTER);
    };
  };
  connect();
  return () => {
    clearTimeout(again);
    source.close();
  };
}

// What cannot be read was written for a newer program, which the page gets by loading again: once, as that may not help.
function read(data, told) {
  let isRead = false;
  try {
    isRead = told(data);
  } catch (error) {
    reportError(error);
  }
  const isMarked = Boolean(history.state?.[MARK]);
  if (isRead === isMarked) history.replaceState(isRead ? null : { [MARK]: true }, '');
  if (!isRead && !isMarked) location.reload();
}

// Gives the data of each event `customers` to `told`, which says whether it could read them. `url` is where this page
// hears of changes; what stands after its `?` is of this page alone. `scope` tells whose list it is. When the session
// is over the page is loaded again.
export function listen(url, scope, told) {
  const name = `billhook ${scope}`;
  const [shared, own] = url.split('?');
  let leave;

  const join = () => {
    if (leave || document.hidden) return;
    const ends = [];
    let isOver = false;
    let isFirst = true;
    leave = () => {
      isOver = true;
      leave = undefined;
      for (const end of ends) end();
    };

    const hear = (event, data) => {
      if (isOver) return;
      if (event === 'signed-out') {
        leave();
        // Who comes back to a session that is over meanwhile is not to look at it.
        setTimeout(() => location.reload(), isFirst ? 0 : LEAVE_AFTER);
      } else if (own) {
        ask();
      } else {
        read(data, told);
      }
      isFirst = false;
    };

    // Asks once, and by this page's own address: for what others do not hear, or what was missed.
    let stop = () => {};
    const ask = () => {
      stop();
      stop = open(url, (event, data) => {
        stop();
        if (isOver) return;
        if (event === 'signed-out') hear(event, data);
        else read(data, told);
        isFirst = false;
      });
    };
    ends.push(() => stop());

    // Over plain http on a network there are no locks: each tab that is seen has a stream of its own.
    if (!navigator.locks) {
      ends.push(open(shared, hear));
      return;
    }
    const channel = new BroadcastChannel(name);
    channel.onmessage = ({ data: [event, data] }) => hear(event, data);
    ends.push(() => channel.close());
    const lead = () => {
      const close = open(shared, (event, data) => {
        channel.postMessage([event, data]);
        hear(event, data);
      });
      ends.push(close);
    };
    // The lock is held for as long as the promise waits.
    const hold = (lock) => {
      if (!lock || isOver) return isOver;
      lead();
      return new Promise((letGo) => ends.push(() => letGo(true)));
    };
    const waiting = new AbortController();
    ends.push(() => waiting.abort());
    navigator.locks
      .request(name, { ifAvailable: true }, hold)
      .then((wasHeld) => {
        if (wasHeld || isOver) return undefined;
        ask();
        return navigator.locks.request(name, { signal: waiting.signal }, hold);
      })
      // Nobody waits any more, or the browser refuses.
      .catch(() => isOver || lead());
  };

  join();
  document.addEventListener('visibilitychange', () => (document.hidden ? leave?.() : join()));
  // A page that is kept for the back button has no stream, no channel and no lock, or it would not be kept.
  addEventListener('pagehide', () => leave?.());
  addEventListener('pageshow', join);
}
