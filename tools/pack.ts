// npm run pack: packs every package, installs the tarballs in an empty folder, and runs them there.
// Needs the npm registry for the libraries that they depend on.

import assert from 'node:assert/strict'
import { appendFileSync, existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readMarkdownFiles } from './docs/markdown.ts'
import { folderOf, readManifests } from './pack/build.ts'
import { InstalledKhlong, type Running } from './pack/installed-process.ts'
import { closure } from './pack/manifest.ts'
import { installTarballs, npm, run } from './pack/npm.ts'
import { compileAll, packAll } from './pack/tarballs.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const work = await mkdtemp(path.join(tmpdir(), 'khlong-pack-'))
const stage = path.join(work, 'stage')
const consumer = path.join(work, 'consumer')
const manifests = await readManifests(root)
const tarballs = new Map<string, string>()

/** Parts that serve; a library that pulls one in pulls in a server. */
const servers = ['kafka', 'mqtt', 'zookeeper', 'mongodb', 'prometheus', 'grafana'].map(
  (name) => `@khlong/${name}`,
)
const librariesAlone = ['@khlong/streams', '@khlong/connect', '@khlong/kafka-client']

let passed = 0
let failed = 0

try {
  // What has a wrong type is still compiled, so that the checks after it say more.
  await check('every package compiles', () => compileAll(root, stage, manifests))
  if (await check('every package packs', pack)) await checkInstalled()
} finally {
  await rm(work, { recursive: true, force: true, maxRetries: 3 })
}
process.stdout.write(`pack: ${passed} passed, ${failed} failed\n`)
if (process.env.KHLONG_SUMMARY) appendFileSync(process.env.KHLONG_SUMMARY, `${passed} ${failed}\n`)
process.exitCode = failed > 0 ? 1 : 0

async function check(name: string, body: () => Promise<void>): Promise<boolean> {
  const startMs = performance.now()
  try {
    await body()
    passed++
    process.stdout.write(`ok: ${name} (${Math.round(performance.now() - startMs)} ms)\n`)
    return true
  } catch (error) {
    failed++
    process.stdout.write(`NOT OK: ${name}\n${error instanceof Error ? error.message : error}\n`)
    return false
  }
}

async function pack(): Promise<void> {
  for (const { name, file, fileCount, sizeBytes } of await packAll(root, stage, manifests)) {
    tarballs.set(name, file)
    process.stdout.write(
      `    ${path.basename(file)}: ${fileCount} files, ${Math.ceil(sizeBytes / 1024)} KB\n`,
    )
  }
}

async function checkInstalled(): Promise<void> {
  for (const name of librariesAlone)
    await check(`${name} is installed alone, loads, and brings no server`, () => checkAlone(name))
  await mkdir(consumer)
  await writeFile(path.join(consumer, 'package.json'), '{"private":true,"type":"module"}\n')
  const isInstalled = await check('all packages are installed in an empty folder', async () =>
    installTarballs(consumer, [...tarballs.values()]),
  )
  if (!isInstalled) return
  const khlong = new InstalledKhlong(consumer)
  await check('npx khlong init makes a pipeline folder', async () => {
    npm(consumer, 'exec', '--offline', '--', 'khlong', 'init', 'my')
  })
  await check('npx khlong check accepts it', async () => {
    assert.match(khlong.run('check', 'my'), /^mqtt +embedded/m)
  })
  await check('types resolve, in a user’s streams and in the documents’ examples', checkTypes)
  await check('npx khlong up runs the streams, brings a frame to MongoDB and stops cleanly', () =>
    checkUp(khlong),
  )
  for (const part of ['mqtt', 'zookeeper', 'prometheus', 'mongodb', 'grafana'])
    await check(`npx khlong ${part} runs alone`, async () => {
      const { running } = await startAlone(khlong, part)
      await running.stop()
    })
  await check('npx khlong kafka runs alone, and npx khlong connect beside it', () =>
    checkKafkaAndConnect(khlong),
  )
}

async function checkAlone(name: string): Promise<void> {
  const folder = path.join(work, `alone-${folderOf(name)}`)
  await mkdir(folder)
  await writeFile(path.join(folder, 'package.json'), '{"private":true,"type":"module"}\n')
  installTarballs(
    folder,
    closure(name, manifests).map((needed) => tarballs.get(needed)!),
  )
  const tree = JSON.parse(npm(folder, 'ls', '--all', '--json')) as DependencyTree
  const installed = namesIn(tree)
  assert.ok(installed.has(name))
  assert.deepEqual(
    servers.filter((server) => installed.has(server)),
    [],
  )
  run(folder, process.execPath, ['--input-type=module', '--eval', `await import('${name}')`])
}

interface DependencyTree {
  dependencies?: Record<string, DependencyTree>
}

function namesIn(tree: DependencyTree, names: Set<string> = new Set<string>()): Set<string> {
  for (const [name, below] of Object.entries(tree.dependencies ?? {})) {
    names.add(name)
    namesIn(below, names)
  }
  return names
}

async function checkTypes(): Promise<void> {
  const types = path.join(consumer, 'node_modules/@types')
  await mkdir(types, { recursive: true })
  if (!existsSync(path.join(types, 'node')))
    await symlink(path.join(root, 'node_modules/@types/node'), path.join(types, 'node'), 'junction')
  await writeFile(
    path.join(consumer, 'example.ts'),
    `import { StreamsBuilder, serdes } from '@khlong/streams'
import { start, type TestSystems } from 'khlong/test'
const builder: StreamsBuilder = new StreamsBuilder()
builder.stream('frames', { keySerde: serdes.string, valueSerde: serdes.json<{ id: string }>() }).mapValues((frame) => frame.id)
export const started: Promise<TestSystems> = start({ kafka: true })
`,
  )
  await writeExamples(path.join(consumer, 'examples'))
  await writeFile(
    path.join(consumer, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        target: 'esnext',
        types: ['node'],
        strict: true,
        noEmit: true,
        allowImportingTsExtensions: true,
        skipLibCheck: true,
      },
      include: ['example.ts', 'examples', 'my/streams'],
    }),
  )
  const compiler = path.join(root, 'node_modules/typescript/bin/tsc')
  run(consumer, process.execPath, [compiler, '-p', '.'])
  // Where a type could not be found it would be `any`, and this would compile.
  await writeFile(
    path.join(consumer, 'example.ts'),
    `import { StreamsBuilder } from '@khlong/streams'
export const wrong: number = new StreamsBuilder()
`,
  )
  assert.throws(() => run(consumer, process.execPath, [compiler, '-p', '.']), /TS2322/)
}

/**
 * The TypeScript that the documents show, each block a module, in a folder for each document. A block
 * whose first line is the comment of a file's name has that name, so that another can import it.
 */
async function writeExamples(folder: string): Promise<void> {
  for (const { file, blocks } of readMarkdownFiles(root)) {
    const own = path.join(folder, file.replace(/[^\w]/g, '-'))
    await mkdir(own, { recursive: true })
    for (const { language, line, text } of blocks) {
      if (language !== 'ts') continue
      const name = /^\/\/ (?:[\w-]+\/)*([\w.-]+\.ts)\n/.exec(text)?.[1] ?? `line-${line}.ts`
      await writeFile(path.join(own, name), `${text}\nexport {}\n`)
    }
  }
}

async function checkUp(khlong: InstalledKhlong): Promise<void> {
  const anyPort = [
    'mqtt.listen',
    'mqtt.websocket',
    'zookeeper.listen',
    'kafka.listen',
    'connect.listen',
    'connect.series.listen',
    'mongodb.listen',
    'prometheus.listen',
    'prometheus.alertmanager.listen',
    'grafana.listen',
  ].flatMap((key) => ['--set', `${key}=0`])
  // Outside of the folder that holds the packages: its streams have to find them all the same.
  khlong.run('init', '../elsewhere')
  const running = await khlong.start(
    ['up', '../elsewhere', '--demo', '--no-open', ...anyPort],
    /^ready in /m,
  )
  try {
    await running.waitFor(/ streams tasks assigned /, 30_000)
    // The terminal's last lines say what to try next; the one for documents is run as it is printed.
    const [, command] = await running.waitFor(/^ +npx khlong (mongo find .+)$/m, 5_000)
    const args = command!.split(' ')
    const deadlineMs = performance.now() + 30_000
    for (;;) {
      const [line = ''] = khlong.run(...args).split('\n')
      if (line !== '') {
        const frame = JSON.parse(line) as { payload?: { temperature?: unknown } }
        assert.notEqual(frame.payload?.temperature, undefined, `no frame: ${line}`)
        break
      }
      assert.ok(performance.now() < deadlineMs, `no document came:\n${running.output}`)
      await delay(250)
    }
    await running.stop()
  } catch (error) {
    running.kill()
    throw error
  }
}

async function startAlone(
  khlong: InstalledKhlong,
  part: string,
  ...settings: string[]
): Promise<{ running: Running; address: string }> {
  const running = await khlong.start(
    [part, '--listen', '0', '--data', path.join(work, 'alone', part), ...settings],
    new RegExp(`^${part} \\S+ \\S+:\\d+$`, 'm'),
    20_000,
  )
  const [, address] = new RegExp(`^${part} \\S+ (\\S+:\\d+)$`, 'm').exec(running.output)!
  return { running, address: address! }
}

async function checkKafkaAndConnect(khlong: InstalledKhlong): Promise<void> {
  const kafka = await startAlone(khlong, 'kafka')
  try {
    const set = ['--set', `bootstrap.servers=${kafka.address}`]
    const connect = await startAlone(khlong, 'connect', ...set)
    try {
      const response = await fetch(`http://${connect.address}/connectors`)
      assert.deepEqual(await response.json(), [])
      await connect.running.stop()
    } catch (error) {
      connect.running.kill()
      throw error
    }
    await kafka.running.stop()
  } catch (error) {
    kafka.running.kill()
    throw error
  }
}
