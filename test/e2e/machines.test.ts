/** Two machines on screen: two programs with data folders of their own, and everything that may go wrong between them. */
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { ephemeralIdentity } from '../../core/channel/identity.ts'
import { startMiddle } from '../fixtures/middle.ts'
import { NO_CHROMIUM, openApp, type App } from './app.ts'

/** Parties start processes of their own, which takes a while on a busy machine. */
const SLOW = { timeout: 90_000 }

const code = (host: App) => host.page.getByRole('region', { name: 'Pairing code' })

/** Starts a server of the smallest bundled model for this machine alone, and returns its address. */
async function serve(host: App): Promise<string> {
  const { page } = host
  await host.go('/machines/host')
  await page.getByRole('checkbox', { name: /^digits-1k\b/ }).check()
  await page.getByRole('radio', { name: 'This machine only' }).check()
  await page.getByRole('button', { name: 'Start serving' }).click()
  const address = page.getByRole('region', { name: 'Address' }).getByText(/^127\.0\.0\.1:\d+$/)
  await address.waitFor(SLOW)
  return await address.innerText()
}

/** The code that the server shows, as people read it. */
async function shownCode(host: App): Promise<string> {
  const shown = code(host).getByText(/^\d{3} \d{3} \d{3}$/)
  await shown.waitFor()
  return await shown.innerText()
}

const wrong = (right: string): string => String((Number(right.replaceAll(' ', '')) + 1) % 10 ** 9).padStart(9, '0')

async function pair(guest: App, address: string, typed: string): Promise<void> {
  const { page } = guest
  await guest.go('/machines/join')
  await page.getByLabel('Address of the server').fill(address)
  await page.getByLabel('Pairing code').fill(typed)
  await page.getByRole('button', { name: 'Pair', exact: true }).click()
}

/** What the guest is told when it is not paired. */
async function refusal(guest: App): Promise<string> {
  const panel = guest.page.getByRole('alert').filter({ hasText: 'The two machines are not paired' })
  await panel.waitFor()
  return await panel.innerText()
}

describe.skipIf(NO_CHROMIUM)('two machines (skipped without Chromium)', () => {
  test('pair by a code, infer privately, and part again', async () => {
    await using host = await openApp()
    await using guest = await openApp()
    const there = host.page
    const here = guest.page

    await host.go('/machines')
    await there.getByText('No machine is paired yet').waitFor()
    await host.shot('machines')
    await host.checkAccessible()
    // What is at stake is said before anything starts.
    await there.getByRole('link', { name: /^Host/ }).click()
    await there.getByText('A client that deviates can extract the weights').waitFor()
    await there.getByRole('button', { name: 'Start serving' }).click()
    await there.getByText('Choose at least one model.').waitFor()
    await host.shot('machines-host')
    await host.checkAccessible()
    const address = await serve(host)
    const good = await shownCode(host)
    await host.shot('machines-hosting')
    await host.checkAccessible()

    // One digit off: refused in words, and one attempt less.
    await pair(guest, address, wrong(good))
    expect(await refusal(guest)).toMatch(/the code does not fit[\s\S]*After three attempts/)
    await guest.shot('machines-refused')
    await guest.checkAccessible()
    await code(host).getByText('2 attempts left').waitFor()
    await there.getByRole('row', { name: /the code does not fit/ }).waitFor()

    // However it is written; nobody types with the same blanks.
    await pair(guest, address, good.replaceAll(' ', '-'))
    await here.getByText('Everything is in order.').waitFor(SLOW)
    await code(host).getByText('The code was used').waitFor()
    await there.getByRole('region', { name: 'Paired clients' }).getByRole('row').nth(1).waitFor()
    await guest.shot('machines-server')
    await guest.checkAccessible()
    // It is good for one.
    await pair(guest, address, good)
    expect(await refusal(guest)).toContain('the pairing code of this server was used')

    // Known from now on, under a name of one's own.
    await guest.go('/machines')
    const known = here.getByRole('region', { name: 'Paired machines' })
    await known.getByRole('button', { name: /^Rename / }).click()
    await here
      .getByRole('textbox', { name: /^New name of / })
      .and(here.locator(':focus'))
      .waitFor()
    await here.keyboard.type('Laboratory')
    await here.keyboard.press('Enter')
    await known.getByRole('button', { name: 'Use Laboratory' }).click()
    await here.getByRole('radio', { name: /^digits-1k/ }).waitFor()
    await here.getByRole('button', { name: 'Choose a picture' }).click()
    await here.getByRole('button', { name: 'A drawn 3' }).click()
    await here.getByText(/^[\d.]+ ms$/).waitFor()
    await guest.shot('machines-inference')
    await guest.checkAccessible()
    await here.getByRole('button', { name: 'Run privately' }).click()
    await here.waitForURL(/inference\/run\//)
    const session = there.getByRole('region', { name: 'Connected clients' })
    await session.getByRole('row', { name: /(offline|online).*digits-1k/s }).waitFor(SLOW)
    await host.shot('machines-session')
    const answer = here.getByRole('region', { name: 'Private answer' })
    await answer.waitFor(SLOW)
    expect(await answer.getByRole('status').innerText()).toBe('3')
    expect(await answer.innerText()).toContain('no clear run here')
    // What the guest measured of the way, and what the host counted.
    await here.getByText('Latency, there and back').waitFor()
    await expect.poll(() => session.getByLabel('Since the start').innerText()).toMatch(/Packages\s+1\s+Inferences\s+1/)
    await session.getByText('Nobody is connected.').waitFor()

    // The server is a job: a window that comes back finds it.
    await there.reload()
    await there.getByText(address, { exact: true }).waitFor()
    expect(await session.getByLabel('Since the start').innerText()).toMatch(/Inferences\s+1/)

    // Forgotten on the host: refused from then on.
    const clients = there.getByRole('region', { name: 'Paired clients' })
    await clients.getByRole('button', { name: /^Forget / }).click()
    const dialog = there.getByRole('dialog', { name: /^Forget / })
    await dialog.getByText('It is refused at its next request').waitFor()
    await host.checkAccessible()
    await dialog.getByRole('button', { name: 'Forget', exact: true }).click()
    await clients.getByText('None yet').waitFor()
    await here.getByRole('button', { name: 'Run again' }).click()
    const failed = here.getByRole('alert').filter({ hasText: 'The private inference failed' })
    await failed.waitFor(SLOW)
    expect(await failed.innerText()).toContain('does not know the certificate')

    await there.getByRole('button', { name: 'Stop serving' }).click()
    await there.getByRole('button', { name: 'Start serving' }).waitFor(SLOW)
    expect(await there.getByRole('checkbox', { name: /^digits-1k\b/ }).isChecked()).toBe(true)
    expect(host.errors).toEqual([])
    expect(guest.errors).toEqual([])
  }, 300_000)

  test('somebody in the middle, too many guesses and a closed port are told in words', async () => {
    await using host = await openApp()
    await using guest = await openApp()
    const here = guest.page
    const address = await serve(host)
    const port = Number(address.split(':').at(-1))
    const own = await ephemeralIdentity()
    const middle = await startMiddle(port, own, own)
    try {
      // It passes every byte on, and the code is right.
      await pair(guest, `127.0.0.1:${middle.port}`, await shownCode(host))
      expect(await refusal(guest)).toContain('somebody is in between')
      expect(middle.passed()).toBeGreaterThan(32 + 32 + 64)
      await host.page.getByRole('row', { name: /somebody is in between/ }).waitFor()
      await code(host).getByText('2 attempts left').waitFor()
      await guest.go('/machines')
      await here.getByText('No machine is paired yet').waitFor()

      // Paired over the right way, it still does not take the other one's certificate.
      await pair(guest, address, await shownCode(host))
      await here.getByText('Everything is in order.').waitFor(SLOW)
      await here.getByLabel('Where it is').fill(`127.0.0.1:${middle.port}`)
      await here.getByRole('button', { name: 'Test again' }).click()
      const steps = here.getByRole('region', { name: 'Connection test' })
      await steps.getByText('another server answers').waitFor()
      await steps.getByText('The way to the server ends here: Identity of the server').waitFor()
      await steps.getByText('somebody is in between').waitFor()
      await here.getByText('The server could not be asked').waitFor()
      await guest.shot('machines-middle')
      await guest.checkAccessible()
    } finally {
      middle.close()
    }

    // A code ends with its third wrong guess, also for the right one.
    await code(host).getByRole('button', { name: 'Show a code' }).click()
    const next = await shownCode(host)
    for (const left of ['2 attempts left', '1 attempt left', 'tried too often']) {
      await pair(guest, address, wrong(next))
      await code(host).getByText(left).waitFor()
    }
    await here.getByRole('button', { name: 'Pair', exact: true }).and(here.locator(':enabled')).waitFor()
    await pair(guest, address, next)
    await here.getByText('was tried too often and is void').waitFor()
    // Nor is one good that was taken back.
    await code(host).getByRole('button', { name: 'Show a code' }).click()
    const last = await shownCode(host)
    await code(host).getByRole('button', { name: 'Stop pairing' }).click()
    await code(host).getByText('Pairing is closed').waitFor()
    await pair(guest, address, last)
    await here.getByText('no longer open for pairing').waitFor()

    // Nothing listens there any more.
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port: unused } = closed.address() as AddressInfo
    closed.close()
    await here.getByLabel('Address of the server').fill(`127.0.0.1:${unused}`)
    await here.getByRole('button', { name: 'Test the connection' }).click()
    const steps = here.getByRole('region', { name: 'Connection test' })
    await steps.getByText('The way to the server ends here: Port').waitFor()
    await steps.getByText('the port is closed').waitFor()
    await steps.getByText('Check that the server is started').waitFor()
    expect(await steps.getByRole('listitem').count()).toBe(8)
    await guest.shot('machines-test', { width: 1280, height: 1100 })
    await guest.checkAccessible()
    expect(host.errors).toEqual([])
    expect(guest.errors).toEqual([])
  }, 300_000)
})
