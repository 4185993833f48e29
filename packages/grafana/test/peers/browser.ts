import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { peer } from '../../../../tools/peers.ts'

type PageOptions = NonNullable<Parameters<Browser['newContext']>[0]>

/** The screens that every place is looked at on. */
export const screens: readonly [string, PageOptions][] = [
  [
    'a laptop, light, English',
    { viewport: { width: 1440, height: 900 }, colorScheme: 'light', locale: 'en-GB' },
  ],
  [
    'a laptop, dark, Thai',
    { viewport: { width: 1440, height: 900 }, colorScheme: 'dark', locale: 'th-TH' },
  ],
  [
    'a phone, dark, English',
    { viewport: { width: 390, height: 844 }, colorScheme: 'dark', locale: 'en-GB' },
  ],
  [
    'a narrow phone, light, Thai',
    { viewport: { width: 360, height: 740 }, colorScheme: 'light', locale: 'th-TH' },
  ],
]

/** Builds the console where it is not built, and starts a Chromium. */
export async function launchBrowser(): Promise<Browser> {
  const build = fileURLToPath(new URL('../../web/build.ts', import.meta.url))
  await promisify(execFile)(process.execPath, [build])
  return chromium.launch({
    executablePath: pathOf(peer('chromium')),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** A page that fails the test when the browser's console has an error that `expected` does not name. */
export async function openPage(
  browser: Browser,
  url: string,
  options: PageOptions = screens[0]![1],
  expected?: RegExp,
): Promise<Page & AsyncDisposable> {
  const opened: BrowserContext = await browser.newContext(options)
  const page = await opened.newPage()
  page.setDefaultTimeout(15_000)
  const errors: string[] = []
  const note = (text: string): void => {
    if (!expected?.test(text)) errors.push(text)
  }
  page.on('pageerror', (error) => note(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') note(message.text())
  })
  await page.goto(url)
  return Object.assign(page, {
    [Symbol.asyncDispose]: async () => {
      await opened.close()
      assert.deepEqual(errors, [], `errors in the browser's console at ${url}`)
    },
  })
}

/** What axe finds on the page as it is now, and whether something is cut off at the side. */
export async function faultsOf(page: Page): Promise<string[]> {
  const axe = await readFile(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')
  await page.evaluate(axe)
  const violations = await page.evaluate(async () => {
    type Axe = {
      run(): Promise<{
        violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[]
      }>
    }
    const { violations } = await (globalThis as unknown as { axe: Axe }).axe.run()
    return violations.map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .slice(0, 3)
          .map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary ?? ''}`)
          .join(' | ')}`,
    )
  })
  const wide = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
  return wide > 0 ? [...violations, `${wide} px too wide`] : violations
}

/** Playwright wants a path where a shell would look in PATH. */
function pathOf(command: string): string {
  if (path.isAbsolute(command)) return command
  const folder = (process.env.PATH ?? '')
    .split(path.delimiter)
    .find((each) => existsSync(path.join(each, command)))
  assert.ok(folder, `${command} is not in PATH`)
  return path.join(folder, command)
}
