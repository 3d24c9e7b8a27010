/** What goes wrong before there is a channel, in words. */
import { AdytonError } from '../errors/errors.ts'
import { errorCode } from './socket.ts'

/** host:port, with brackets around an IPv6 address. */
export function place(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export function cancelled(host: string, port: number): AdytonError {
  return new AdytonError('cancelled', `connecting to ${place(host, port)} was cancelled`)
}

export function notAdyton(host: string, port: number, cause?: unknown): AdytonError {
  return new AdytonError('peer-unreachable', `what answers at ${place(host, port)} is not an Adyton server`, {
    advice: 'Check the address and the port, and that both sides run the same release.',
    cause,
  })
}

export function lateError(host: string, port: number, reached: boolean, timeoutMs: number): AdytonError {
  const seconds = `within ${timeoutMs / 1000} s`
  return reached
    ? new AdytonError('peer-timeout', `what listens at ${place(host, port)} did not finish the handshake ${seconds}`, {
        advice: 'Check that it is an Adyton server, and that it is not overloaded.',
      })
    : new AdytonError('peer-unreachable', `no answer from ${place(host, port)} ${seconds}`, {
        advice: 'Check the address, that the machine is on, and that no firewall drops the connection.',
      })
}

export function connectError(host: string, port: number, reached: boolean, cause: unknown): AdytonError {
  const at = place(host, port)
  const code = errorCode(cause) ?? 'unknown error'
  const unreachable = (message: string, advice: string): AdytonError =>
    new AdytonError('peer-unreachable', message, { advice, cause })
  if (code === 'ECONNREFUSED') {
    return unreachable(`nothing listens at ${at}`, 'Check the port, and that the server is started.')
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'EAI_FAIL') {
    return unreachable(
      `the host name ${JSON.stringify(host)} is not known (${code})`,
      'Check the name or use an IP address.',
    )
  }
  if (code.startsWith('ERR_SSL') || code === 'EPROTO') return notAdyton(host, port, cause)
  if (reached) {
    return unreachable(
      `the server at ${at} hung up during the handshake (${code})`,
      'Check that it is an Adyton server; if it is, it may have too many connections, so try again.',
    )
  }
  return unreachable(`cannot reach ${at} (${code})`, 'Check the address and the network.')
}

export function listenError(host: string, port: number, cause: unknown): AdytonError {
  const code = errorCode(cause) ?? 'unknown error'
  const why =
    code === 'EADDRINUSE'
      ? 'another program uses the port'
      : code === 'EACCES'
        ? 'this user may not use the port'
        : code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND'
          ? 'this machine does not have that address'
          : code
  return new AdytonError('usage', `cannot listen at ${place(host, port)}: ${why}`, {
    advice: 'Choose another address or port (0 for any free port).',
    cause,
  })
}
