import assert from 'node:assert/strict'
import path from 'node:path'
import test, { after, before, type TestContext } from 'node:test'
import { AccessStore, type Role } from '@khlong/core/access'
import { eventually, temporaryFolder } from '@khlong/core/testing'
import type { Browser, Page } from 'playwright-core'
import type { GrafanaServer } from '../../src/index.ts'
import { type FakePlatform, startFakePlatform } from '../fake-platform.ts'
import { startConsole, startHttp } from '../helpers.ts'
import { faultsOf, launchBrowser, openPage, screens } from './browser.ts'

// A real browser at the console's door: set-up, login, roles, people, and pages that mean harm.

const scrypt = { cost: 16, blockSize: 1, parallelization: 1 }
const password = 'correct horse'
/** What a browser writes down for itself where a request was refused, as it was meant to be. */
const refusals = /status of (?:400|401|403|404|409|429|502)/
let browser: Browser
let platform: FakePlatform

before(async () => {
  browser = await launchBrowser()
  platform = await startFakePlatform()
})
after(async () => {
  await browser?.close()
  await platform?.[Symbol.asyncDispose]()
})

async function start(
  t: TestContext,
  people: Readonly<Record<string, Role>> = { ada: 'administrator', eve: 'editor', vera: 'viewer' },
): Promise<GrafanaServer & { url: string; access: string }> {
  const access = path.join(await temporaryFolder(t), 'access')
  const store = new AccessStore({ folder: access, scrypt })
  for (const [name, role] of Object.entries(people)) await store.addUser({ name, role, password })
  const server = await startConsole(t, {
    access,
    platform: platform.url,
    mqtt: 'mqtt://127.0.0.1:1',
    connect: platform.url,
  })
  return Object.assign(server, { access })
}

async function logIn(page: Page, name: string, given = password): Promise<void> {
  await page.locator('[name=username]').fill(name)
  await page.locator('.password-field input').fill(given)
  await page.locator('.entry .button.primary').click()
}

async function openAs(name: string, url: string): ReturnType<typeof openPage> {
  const page = await openPage(browser, url, undefined, refusals)
  await logIn(page, name)
  await page.locator('.app').waitFor()
  return page
}

test('on a fresh computer the first administrator is made in the page, and the door closes', async (t) => {
  const { url } = await start(t, {})
  await using page = await openPage(browser, `${url}/flow`, undefined, refusals)
  await page.getByRole('button', { name: /^You/ }).click()
  await page.getByText('No login is needed here').waitFor()
  await page.getByRole('button', { name: 'Make the administrator' }).click()
  await page.locator('[name=username]').fill('ada')
  await page.locator('.password-field input').fill(password)
  await page.getByRole('button', { name: 'Make and log in' }).click()
  await page.locator('.people-table').getByText('ada').waitFor()
  await using other = await openPage(browser, `${url}/flow`, undefined, refusals)
  await other.getByRole('heading', { name: 'Log in' }).waitFor()
})

test('a login leads to the place that was asked for, and out again', async (t) => {
  const { url } = await start(t)
  await using page = await openPage(browser, `${url}/flow?from=now-5m`, undefined, refusals)
  await logIn(page, 'vera', 'wrong horse')
  await page.getByText('Name or password is wrong.').waitFor()
  assert.equal(await page.locator('.password-field input').inputValue(), '')
  await logIn(page, 'vera')
  await page.getByRole('heading', { name: 'Flow' }).waitFor()
  assert.match(page.url(), /\/flow\?from=now-5m$/)
  await page.locator('.live-mark').getByText('Live').waitFor()
  await page.getByRole('button', { name: /^You/ }).click()
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
  await page.reload()
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
})

test('who guesses is told how long to wait, and can go on after', async (t) => {
  const { url } = await start(t)
  await using page = await openPage(browser, url, undefined, refusals)
  for (let n = 0; n < 6; n++) {
    await logIn(page, 'ada', `guess ${n}`)
    await page.locator('.form-error .icon').waitFor()
    if ((await page.getByText(/Try again in/).count()) > 0) break
  }
  await page.getByText(/Too many wrong tries\. Try again in \d/).waitFor()
  const button = page.getByRole('button', { name: 'Log in' })
  assert.equal(await button.isDisabled(), true)
  await eventually(async () => assert.equal(await button.isEnabled(), true), 20_000)
  await logIn(page, 'ada')
  await page.locator('.app').waitFor()
})

test('a viewer sees everything and no button that changes; the server refuses all the same', async (t) => {
  const { url } = await start(t)
  await using page = await openAs('vera', `${url}/mqtt`)
  await page.getByText('Live', { exact: true }).first().waitFor()
  assert.equal(await page.getByRole('heading', { name: 'Publish' }).count(), 0)
  assert.equal(await page.locator('.rail').getByText('People').count(), 0)
  await page.goto(`${url}/sensors`)
  await page.getByText('Send your own').first().waitFor()
  assert.equal(await page.getByRole('button', { name: 'Send a frame' }).count(), 0)
  await page.goto(`${url}/people`)
  await page.getByText('People are for administrators').waitFor()
  const status = await page.evaluate(async () => {
    const answer = await fetch('/-/mqtt/publish', { method: 'POST', body: '{}' })
    return answer.status
  })
  assert.equal(status, 403)
  await using editor = await openAs('eve', `${url}/mqtt`)
  await editor.getByRole('heading', { name: 'Publish' }).waitFor()
})

test('an administrator adds a user, who changes the password that was given', async (t) => {
  const { url } = await start(t)
  await using page = await openAs('ada', `${url}/people`)
  await page.getByRole('button', { name: 'Add user' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill('<script>alert(1)</script>')
  await dialog.getByRole('button', { name: 'Make one' }).click()
  const given = await dialog.locator('.copy-line code').textContent()
  assert.match(given ?? '', /^(?:[a-z2-9]{4}-){3}[a-z2-9]{4}$/)
  await dialog.getByRole('button', { name: 'Add user' }).click()
  await dialog.getByText(/a name has 1 to 64 letters/).waitFor()
  await dialog.getByLabel('Name').fill('สมชาย')
  await dialog.getByLabel('Editor').check()
  await dialog.getByRole('button', { name: 'Add user' }).click()
  await page.locator('.people-table').getByText('สมชาย').waitFor()
  await using theirs = await openPage(browser, url, undefined, refusals)
  await logIn(theirs, 'สมชาย', given ?? '')
  await theirs.getByRole('button', { name: /^You/ }).click()
  await theirs.getByText('Editor', { exact: true }).waitFor()
  await theirs.getByRole('button', { name: 'Change password' }).click()
  await theirs.getByLabel('Password now').fill(given ?? '')
  await theirs.getByLabel('New password').fill('my own sentence')
  await theirs.getByRole('button', { name: 'Save' }).click()
  await theirs.getByRole('dialog').waitFor({ state: 'detached' })
  assert.equal(await theirs.locator('.app').count(), 1)
  await using again = await openPage(browser, url, undefined, refusals)
  await logIn(again, 'สมชาย', 'my own sentence')
  await again.locator('.app').waitFor()
})

test('a role that is taken away, and a user who is removed, are so while they look', async (t) => {
  const { url } = await start(t)
  await using theirs = await openAs('eve', `${url}/mqtt`)
  await theirs.getByRole('heading', { name: 'Publish' }).waitFor()
  await using page = await openAs('ada', `${url}/people`)
  await page.getByLabel('Role of eve').selectOption('viewer')
  await theirs.getByRole('heading', { name: 'Publish' }).waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'More for eve' }).click()
  await page.getByRole('button', { name: 'Remove' }).click()
  const dialog = page.getByRole('dialog')
  const remove = dialog.getByRole('button', { name: 'Remove' })
  assert.equal(await remove.isDisabled(), true)
  await dialog.getByLabel('Write eve to go on').fill('eve')
  await remove.click()
  await page
    .locator('.people-table')
    .getByText('eve', { exact: true })
    .waitFor({ state: 'detached' })
  await theirs.getByRole('heading', { name: 'Log in' }).waitFor()
  await page.getByLabel('Role of ada').selectOption('viewer')
  await page.getByText(/this is the last administrator/).waitFor()
})

test('a token is shown once, works, and is refused after it was revoked', async (t) => {
  const { url } = await start(t)
  await using page = await openAs('ada', `${url}/people?tab=tokens`)
  await page.getByText('No tokens yet').waitFor()
  await page.getByRole('button', { name: 'New token' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill('ci')
  await dialog.getByRole('button', { name: 'New token' }).click()
  const token = (await page.locator('.token-once code').first().textContent()) ?? ''
  assert.match(token, /^khlong_[\w-]{43}$/)
  await page.getByRole('button', { name: 'Done' }).click()
  const ask = () => fetch(`${url}/api/search`, { headers: { authorization: `Bearer ${token}` } })
  assert.equal((await ask()).status, 200)
  assert.equal((await page.content()).includes(token), false)
  await page.getByRole('button', { name: 'Revoke ci' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
  await page.getByText('No tokens yet').waitFor()
  assert.equal((await ask()).status, 401)
  await page.getByRole('link', { name: 'What was changed' }).click()
  const made = page.locator('.audit-table tr', { hasText: '/-/access/tokens' })
  await made.getByText('ci, viewer, 90 d').waitFor()
  assert.equal((await page.content()).includes(token), false)
})

test('another page can neither show the console in a frame nor change anything in it', async (t) => {
  const { url, access } = await start(t)
  await using page = await openAs('ada', url)
  const evil = await startHttp(t, (_request, response) => {
    response.setHeader('content-type', 'text/html')
    response.end(`<iframe src="${url}/" name="inside"></iframe>
      <form action="${url}/-/access/users" method="post" enctype="text/plain" target="inside">
      <input name='{"name":"mallory","role":"administrator","password":"long enough","x":"' value='"}'></form>`)
  })
  // Another port of the same host: cookies go along, as SameSite does not look at ports.
  const opened = await page.context().newPage()
  await opened.goto(evil)
  const reached = await opened.evaluate(async (target) => {
    const page = globalThis as unknown as { document: { forms: { submit(): void }[] } }
    page.document.forms[0]?.submit()
    const send = (path: string, method: string) =>
      fetch(target + path, { method, credentials: 'include', mode: 'no-cors', body: '{}' }).then(
        (answer) => answer.type,
        () => 'failed',
      )
    await send('/-/access/users', 'POST')
    await send('/logout', 'POST')
    return fetch(`${target}/api/user`, { credentials: 'include' }).then(
      (answer) => answer.status,
      () => 'kept away',
    )
  }, url)
  assert.equal(reached, 'kept away')
  const frame = opened.frame('inside')
  assert.equal((await frame?.content())?.includes('id="root"'), false)
  const store = new AccessStore({ folder: access })
  await store.open()
  t.after(() => store.close())
  assert.equal(store.findUser('mallory'), undefined)
  await page.reload()
  await page.locator('.app').waitFor()
})

test('a name from outside with script in it is shown as what it is', async (t) => {
  const { url } = await start(t)
  const name = '<img src=x onerror="document.title=1">'
  await fetch(`${url}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: name, password: 'x' }),
  })
  await using page = await openAs('ada', `${url}/people?tab=audit`)
  await page.getByText(name).waitFor()
  assert.notEqual(await page.title(), '1')
  assert.equal(await page.locator('main img').count(), 0)
})

for (const [name, options] of screens)
  test(`login and people have no violation of axe, no error and nothing cut off: ${name}`, async (t) => {
    const { url } = await start(t)
    const found: string[] = []
    const look = async (where: string, page: Page): Promise<void> => {
      found.push(...(await faultsOf(page)).map((fault) => `${where}: ${fault}`))
    }
    await using page = await openPage(browser, `${url}/people`, options, refusals)
    await page.locator('.entry-box').waitFor()
    await look('login', page)
    await logIn(page, 'ada')
    await page.locator('.people-table').waitFor()
    await look('users', page)
    await page.locator('.place-head .primary').click()
    await page.locator('.form-dialog').waitFor()
    await look('add user', page)
    await page.keyboard.press('Escape')
    for (const tab of ['tokens', 'audit']) {
      await page.goto(`${url}/people?tab=${tab}`)
      await page.locator('main .panel').first().waitFor()
      await look(tab, page)
    }
    const fresh = await start(t, {})
    await using empty = await openPage(browser, `${fresh.url}/people`, options, refusals)
    await empty.locator('.nobody-yet').waitFor()
    await look('nobody yet', empty)
    assert.deepEqual(found, [])
  })
