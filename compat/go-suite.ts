import { execFile, spawn } from 'node:child_process'
import { cp, mkdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { peer } from '../tools/peers.ts'
import type { Outcome } from './suite.ts'

const run = promisify(execFile)

/** A Go module with its tests, and how they are built. */
export interface GoTests {
  readonly module: string
  readonly version: string
  /** The package in the module, as `./pkg/kgo`. */
  readonly package: string
  readonly tags?: string
  /** Changes the copy before it is built; the name tells one kind of change from another. */
  readonly change?: { readonly name: string; apply(folder: string): Promise<void> }
}

export interface BuiltGoTests {
  /** The folder that the tests expect to run in. */
  readonly folder: string
  readonly program: string
}

/** Fetches a Go module by the module proxy and builds the tests of one of its packages, once. */
export async function buildGoTests(cache: string, tests: GoTests): Promise<BuiltGoTests> {
  const go = peer('go')
  const name = `${path.basename(tests.module)}-${tests.version}${tests.change ? `-${tests.change.name}` : ''}`
  const home = path.join(cache, name)
  const built = { folder: path.join(home, tests.package), program: path.join(home, 'tests.bin') }
  if (await stat(built.program).catch(() => undefined)) return built
  await mkdir(cache, { recursive: true })
  const { stdout } = await run(
    go,
    ['mod', 'download', '-json', `${tests.module}@${tests.version}`],
    { cwd: cache, timeout: 300_000 },
  )
  const { Dir: source } = JSON.parse(stdout) as { Dir: string }
  const copy = `${home}.${process.pid}`
  await rm(copy, { recursive: true, force: true })
  // The module cache is read-only; building and some tests write beside their sources.
  await cp(source, copy, { recursive: true })
  await run('chmod', ['-R', 'u+w', copy])
  await tests.change?.apply(path.join(copy, tests.package))
  await run(
    go,
    [
      'test',
      ...(tests.tags ? ['-tags', tests.tags] : []),
      '-c',
      '-o',
      path.join(copy, 'tests.bin'),
      tests.package,
    ],
    { cwd: copy, timeout: 900_000, maxBuffer: 1 << 24 },
  )
  await rm(home, { recursive: true, force: true })
  await rename(copy, home)
  return built
}

export interface GoRun {
  readonly filter?: RegExp | undefined
  /** Tests that cannot be run here; they count as skipped. */
  readonly without?: RegExp
  readonly deadlineSeconds: number
  say(text: string): void
}

/** Runs a built test program and reads what `-test.v` says of each test at the top. */
export async function runGoTests(
  built: BuiltGoTests,
  env: Readonly<Record<string, string>>,
  options: GoRun,
): Promise<Outcome[]> {
  const names = (
    await run(built.program, ['-test.list', '.'], {
      cwd: built.folder,
      env: { ...process.env, ...env },
    })
  ).stdout
    .split('\n')
    .filter((name) => /^(Test|Fuzz)/.test(name))
  const { filter, without } = options
  const chosen = names.filter((name) => !filter || filter.test(name))
  const wanted = chosen.filter((name) => !without?.test(name))
  const child = spawn(
    built.program,
    [
      '-test.v',
      '-test.count=1',
      `-test.timeout=${options.deadlineSeconds}s`,
      '-test.run',
      `^(${wanted.join('|')})$`,
    ],
    { cwd: built.folder, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const lines: string[] = []
  let rest = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n')
      rest = parts.pop() ?? ''
      for (const line of parts) {
        if (/^--- (PASS|FAIL|SKIP)/.test(line)) options.say(line)
        lines.push(line)
      }
    })
  await new Promise((resolve) => child.once('close', resolve))
  return chosen.map((name) =>
    wanted.includes(name)
      ? outcomeOf(name, lines)
      : { name, result: 'skipped', detail: 'needs more than one broker' },
  )
}

const results = { PASS: 'passed', FAIL: 'failed', SKIP: 'skipped' } as const

function outcomeOf(name: string, lines: readonly string[]): Outcome {
  const at = lines.findIndex((line) => new RegExp(`^--- (PASS|FAIL|SKIP): ${name} `).test(line))
  // A test that never ended took the whole program with it.
  if (at < 0) return { name, result: 'failed', detail: lines.slice(-40).join('\n') }
  const result = results[/^--- (\w+)/.exec(lines[at]!)![1] as keyof typeof results]
  if (result === 'passed') return { name, result }
  // What a test says of its failure stands, indented, before that line or after it.
  const about = [...lines.slice(Math.max(0, at - 4), at), ...lines.slice(at + 1, at + 8)]
  return { name, result, detail: about.filter((line) => /^\s+\S/.test(line)).join('\n') }
}
