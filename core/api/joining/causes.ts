/** Why a machine or a port cannot be reached, in words, and what to do about it on this operating system. */

export interface Cause {
  readonly text: string
  readonly advice: string
}

export type Platform = NodeJS.Platform

/** A host name that was not resolved; `code` is that of getaddrinfo. */
export function nameCause(host: string, code: string, platform: Platform): Cause {
  if (code === 'EAI_AGAIN') {
    return {
      text: `the name ${JSON.stringify(host)} could not be looked up: no name server answers (${code})`,
      advice: `Check that this machine is connected to a network (${networkSettings(platform)}), or use the IP address that the server shows.`,
    }
  }
  return {
    text: `the name ${JSON.stringify(host)} is not known (${code})`,
    advice: 'Check the spelling, or use the IP address that the server shows.',
  }
}

/** A TCP connection that did not come about; `code` is the system's, TIMEOUT when nothing answered. */
export function reachCause(address: string, code: string, platform: Platform): Cause {
  switch (code) {
    case 'ECONNREFUSED':
      return {
        text: `the machine answers, but nothing listens at ${address}: the port is closed`,
        advice:
          'Check that the server is started and that the port is the one it shows. A server that listens on 127.0.0.1 can be reached from its own machine alone: let it listen on every address (0.0.0.0).',
      }
    case 'TIMEOUT':
    case 'ETIMEDOUT':
      return {
        text: `nothing answers at ${address}: a firewall drops the connection, or the machine is off or has another address`,
        advice: `Compare the address with the one that the server shows now. On the server, let its firewall admit the port: ${firewall('server', platform)}`,
      }
    case 'EHOSTUNREACH':
    case 'EHOSTDOWN':
      return {
        text: `the machine at ${address} is not in reach (${code})`,
        advice:
          platform === 'darwin'
            ? 'Check that both machines are in the same network. macOS also asks whether a program may use the local network: allow it under System Settings, Privacy & Security, Local Network.'
            : 'Check that both machines are in the same network; guest networks often keep their machines apart.',
      }
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return {
        text: `this machine has no network that leads to ${address} (${code})`,
        advice: `Connect it to a network (${networkSettings(platform)}). For an IPv6 address, both machines need IPv6: try the IPv4 address.`,
      }
    case 'EACCES':
    case 'EPERM':
      return {
        text: `this machine does not let the program connect to ${address} (${code})`,
        advice: `A firewall here forbids it: ${firewall('client', platform)}`,
      }
    default:
      return { text: `${address} cannot be reached (${code})`, advice: 'Check the address and the network.' }
  }
}

function firewall(where: 'server' | 'client', platform: Platform): string {
  const own = where === 'client' ? '' : 'if it runs the same system as this machine, '
  switch (platform) {
    case 'win32':
      return `${own}open Windows Security, Firewall & network protection, 'Allow an app through firewall', and allow Adyton for this kind of network.`
    case 'darwin':
      return `${own}open System Settings, Network, Firewall, and allow incoming connections for Adyton.`
    default:
      return where === 'server'
        ? `${own}'sudo ufw allow PORT/tcp', or 'sudo firewall-cmd --add-port=PORT/tcp'.`
        : "look at 'sudo nft list ruleset', and at the permissions of a sandbox such as Flatpak or Snap."
  }
}

function networkSettings(platform: Platform): string {
  switch (platform) {
    case 'win32':
      return 'Settings, Network & internet'
    case 'darwin':
      return 'System Settings, Network'
    default:
      return "'ip address' shows its addresses"
  }
}
