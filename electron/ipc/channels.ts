/** The only channels between a window and the main process. */
export const CHANNELS = {
  /** Window to host: a message of core/api/data/contract.ts. */
  request: 'adyton:request',
  /** Host to window. */
  reply: 'adyton:reply',
  /** Window to shell, with an answer: core/api/data/desktop.ts. */
  desktop: 'adyton:desktop',
  /** Shell to window, unasked. */
  event: 'adyton:event',
} as const
