/** How a page of the browser bridge shows that it is one: beside its cookie it has a key, which no other port sees. */

/** The address that a browser is sent to carries the key behind this. */
export const KEY_FRAGMENT = '#key='
/** Header of uploads and of requests for download slots. */
export const KEY_HEADER = 'x-adyton-key'
/** Sub-protocol of sockets. The key is the second that a window offers. */
export const SOCKET_PROTOCOL = 'adyton'
