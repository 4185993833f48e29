import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parse, parseAllDocuments } from 'yaml'
import { peer } from '../../../../tools/peers.ts'
import { makeProgram } from '../../src/cli/program.ts'

// What stands in deploy/ and .github/ is checked against the schemas of those who read it. No image is
// built here: that takes base images from outside.

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../../..', import.meta.url))
const python = (...args: string[]): Promise<unknown> => run(peer('python'), args)
const at = (file: string): string => path.join(root, file)

test('compose files and workflows follow their schemas', async () => {
  const check = (schema: string, ...files: string[]): Promise<unknown> =>
    python('-m', 'check_jsonschema', '--builtin-schema', schema, ...files.map(at))
  await check('vendor.compose-spec', 'deploy/compose.yaml', 'deploy/compose.real-engines.yaml')
  await check(
    'vendor.github-workflows',
    '.github/workflows/ci.yml',
    '.github/workflows/release.yml',
  )
})

test('what Kubernetes is given follows its schema', async () => {
  for (const file of ['khlong.yaml', 'khlong-real-engines.yaml'])
    await python('-m', 'kubernetes_validate', '--strict', at(`deploy/kubernetes/${file}`))
})

test('the systemd unit is one, and gives away little', async () => {
  const unit = at('deploy/systemd/khlong.service')
  await run('systemd-analyze', ['verify', unit])
  const { stdout } = await run('systemd-analyze', ['security', '--offline=true', unit])
  const [, level] = /Overall exposure level for khlong\.service: ([\d.]+)/.exec(stdout) ?? []
  assert.ok(Number(level) < 3, stdout)
})

test('every command line in deploy/ is one that khlong knows', async () => {
  const container = await readFile(at('deploy/Containerfile'), 'utf8')
  const [, command] = /^CMD (\[.*\])$/m.exec(container) ?? []
  const [, health] = /^ +CMD (\[.*\])$/m.exec(container) ?? []
  const unit = await readFile(at('deploy/systemd/khlong.service'), 'utf8')
  const [, start] = /^ExecStart=\/usr\/bin\/env khlong (.*)$/m.exec(unit) ?? []
  const compose = parse(await readFile(at('deploy/compose.real-engines.yaml'), 'utf8'))
  const pods = await readFile(at('deploy/kubernetes/khlong-real-engines.yaml'), 'utf8')
  const set = parseAllDocuments(pods).map((document) => document.toJS())
  const { containers } = set.find(({ kind }) => kind === 'StatefulSet').spec.template.spec
  const commands: string[][] = [
    JSON.parse(command!),
    JSON.parse(health!).slice(2),
    start!.split(' '),
    compose.services.khlong.command,
    containers[0].args,
    containers[0].readinessProbe.exec.command.slice(2),
  ]
  for (const words of commands) {
    const program = await makeProgram()
    let ran = false
    for (const command of program.commands)
      command.action(() => {
        ran = true
      })
    await program.parseAsync(words, { from: 'user' })
    assert.ok(ran, words.join(' '))
  }
})
