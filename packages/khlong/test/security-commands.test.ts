import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '@khlong/core/testing'
import { parsePasswordFile } from '@khlong/mqtt'
import { makeProgram } from '../src/cli/program.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

async function khlong(args: string[], input = ''): Promise<{ out: string; err: string }> {
  const child = spawn(process.execPath, [main, ...args])
  child.stdin.end(input)
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { out, err }
}

/** A command that says nothing needs no process of its own. */
async function quietly(...args: string[]): Promise<void> {
  const program = await makeProgram(args[0])
  await program.parseAsync(args, { from: 'user' })
}

test('a password file is made and changed on the command line, as mosquitto_passwd does it', async (t) => {
  const file = path.join(await temporaryFolder(t), 'passwd')
  const passwd = (...args: string[]): Promise<void> => quietly('mqtt', 'passwd', ...args)
  const users = async (): Promise<string[]> => [
    ...parsePasswordFile(await readFile(file, 'utf8'), file).keys(),
  ]
  await assert.rejects(passwd('-b', file, 'alice', 'secret'), /-c makes a new file/)
  await passwd('-c', '-b', file, 'alice', 'secret')
  const asked = await khlong(['mqtt', 'passwd', '-I', '101', file, 'bob'], 'other\n')
  assert.deepEqual([asked.out, asked.err], ['', ''])
  assert.deepEqual(await users(), ['alice', 'bob'])
  assert.match(await readFile(file, 'utf8'), /^bob:\$7\$101\$/m)
  await passwd('-D', file, 'alice')
  assert.deepEqual(await users(), ['bob'])
  for (const [args, message] of [
    [['-D', file, 'alice'], /has no user alice/],
    [['-b', file, 'a:b', 'x'], /a username has no :/],
    [[file, 'carol', 'secret'], /-b and a password go together/],
    [['-D', '-c', file, 'bob'], /-D goes alone/],
    [['-b', '-I', '0', file, 'bob', 'x'], /--iterations/],
  ] as const)
    await assert.rejects(passwd(...args), { code: 'KHLONG_USAGE', message })
  assert.deepEqual(await users(), ['bob'])
})

test('SIGHUP has a broker without a terminal read its files again, and does not end it', {
  skip: process.platform === 'win32' && 'Windows has no such signal',
}, async (t) => {
  const folder = await temporaryFolder(t)
  const file = path.join(folder, 'passwd')
  await quietly('mqtt', 'passwd', '-c', '-b', file, 'alice', 'secret')
  const child = spawn(
    process.execPath,
    [main, 'mqtt', '--listen', '0', '--data', folder, '--set', `password_file=${file}`],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  t.after(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  await once(child.stdout, 'data')
  child.kill('SIGHUP')
  let said = ''
  for await (const chunk of child.stderr) {
    said += String(chunk)
    if (said.includes('access control read again')) break
  }
  assert.match(said, /access control read again/)
  child.kill('SIGTERM')
  assert.deepEqual(await exited, [0, null])
})

test('a server’s certificate is made on the command line, ready for a mosquitto.conf', async (t) => {
  const dir = path.join(await temporaryFolder(t), 'certs')
  const { out, err } = await khlong(['cert', 'server', '--host', 'box.example', '--dir', dir])
  assert.equal(
    out,
    `certfile ${path.join(dir, 'server.crt')}\nkeyfile ${path.join(dir, 'server.key')}\ncafile ${path.join(dir, 'ca.crt')}\n`,
  )
  assert.match(err, /^for box\.example, localhost, /)
})
