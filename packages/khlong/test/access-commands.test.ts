import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { AccessStore, readAudit } from '@khlong/core/access'
import { temporaryFolder } from '@khlong/core/testing'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

async function khlong(
  args: string[],
  input = '',
): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [main, ...args])
  child.stdin.end(input)
  const code = new Promise<number>((resolve) => child.once('close', resolve))
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await code, out, err }
}

test('users and tokens are looked after on the command line, also beside a running pipeline', async (t) => {
  const pipeline = await temporaryFolder(t)
  const at = ['--pipeline', pipeline]
  const folder = path.join(pipeline, 'data', 'access')
  const added = await khlong(['user', 'add', 'ada', ...at], 'correct horse\n')
  assert.deepEqual([added.code, added.out, added.err], [0, '', 'ada is administrator\n'])
  const made = await khlong(['user', 'add', 'vera', '--generate', ...at])
  const store = new AccessStore({ folder })
  await store.open()
  t.after(() => store.close())
  assert.equal((await store.verify('ada', 'correct horse'))?.role, 'administrator')
  assert.equal((await store.verify('vera', made.out.trim()))?.role, 'viewer')
  const [short, last, role, token] = await Promise.all([
    khlong(['user', 'add', 'tom', ...at], 'short\n'),
    khlong(['user', 'remove', 'ada', ...at]),
    khlong(['user', 'role', 'vera', 'root', ...at]),
    khlong(['token', 'create', 'ci', '--role', 'editor', '--days', '1', ...at]),
  ])
  assert.match(short.err, /8 to 256 characters/)
  assert.match(last.err, /last administrator/)
  assert.deepEqual([short.code, last.code, role.code, token.code], [1, 1, 2, 0])
  assert.match(token.out, /^khlong_[\w-]{43}\n$/)
  const [users, tokens] = await Promise.all([
    khlong(['user', 'list', ...at]),
    khlong(['token', 'list', '--json', ...at]),
  ])
  assert.match(users.out, /^ada +administrator .+\nvera +viewer .+\n$/)
  const listed = JSON.parse(tokens.out) as Record<string, unknown>[]
  assert.deepEqual(
    listed.map(({ name, role, digest }) => [name, role, digest]),
    [['ci', 'editor', undefined]],
  )
  const entries = await readAudit(folder, { limit: 10 })
  assert.deepEqual(
    entries.map(({ who, kind, action, target, detail }) => [who, kind, action, target, detail]),
    [
      [userInfo().username, 'command line', 'token.create', 'ci', 'editor, 1 d'],
      [userInfo().username, 'command line', 'user.add', 'vera', 'viewer'],
      [userInfo().username, 'command line', 'user.add', 'ada', 'administrator'],
    ],
  )
  const log = await readFile(path.join(folder, 'audit-cli.jsonl'), 'utf8')
  assert.doesNotMatch(log, new RegExp(`horse|${made.out.trim()}|khlong_`))
})
