import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { makeProgram } from '../packages/khlong/src/cli/program.ts'
import { commandProblem, shownCommands, splitCommands } from './docs/commands.ts'
import {
  declaredDependencies,
  documentedDependencies,
  permissiveLicences,
  unusedDependencies,
  unusualLicences,
} from './docs/dependencies.ts'
import { readMarkdown, readMarkdownFiles } from './docs/markdown.ts'
import { brokenPaths } from './docs/paths.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const documents = readMarkdownFiles(root)
const program = await makeProgram()

test('every link and every path of the repository in a document leads somewhere', () => {
  assert.deepEqual(brokenPaths(root, documents), [])
})

test('every command in a document has a subcommand and flags that exist', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const problems: string[] = []
  for (const { file, line, kind, words } of documents.flatMap(shownCommands)) {
    const problem =
      kind === 'khlong'
        ? commandProblem(program, words)
        : words[0]! in scripts
          ? undefined
          : `there is no script ${words[0]}`
    if (problem) problems.push(`${file}:${line}: ${words.join(' ')}: ${problem}`)
  }
  assert.deepEqual(problems, [])
})

test('the scripts that run khlong do so with words that it knows', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const start = /main\.ts (.+)$/.exec(scripts.start ?? '')?.[1]
  assert.ok(start)
  assert.equal(commandProblem(program, start.split(' ')), undefined)
})

test('docs/dependencies.md has each runtime dependency with its licence, all permissive', () => {
  const text = readFileSync(path.join(root, 'docs/dependencies.md'), 'utf8')
  const declared = declaredDependencies(root)
  assert.deepEqual(documentedDependencies(text), declared)
  assert.deepEqual(
    declared.filter(({ licence }) => !permissiveLicences.includes(licence)),
    [],
  )
  assert.deepEqual(unusualLicences(root), [], 'what dependencies bring along')
})

test('each runtime dependency is imported by the package that declares it', () => {
  assert.deepEqual(unusedDependencies(root), [])
})

test('the README’s example for tests runs', async () => {
  const readme = documents.find(({ file }) => file === 'README.md')
  const example = readme?.blocks.find(({ language }) => language === 'ts')
  assert.ok(example)
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module-typescript', '--eval', example.text],
    { cwd: root, timeout: 60_000 },
  )
  assert.match(stdout, /^\S+:\d+ mongodb:\/\/\S+:\d+\n$/)
})

test('docs/README.md leads to every part’s README, format and decision', () => {
  const index = documents.find(({ file }) => file === 'docs/README.md')
  const linked = new Set(index?.links.map(({ text }) => path.posix.join('docs', text)))
  const wanted = documents
    .map(({ file }) => file)
    .filter((file) => /^docs\/.+\.md$|^packages\/[^/]+\/README\.md$/.test(file))
  assert.deepEqual(
    wanted.filter((file) => file !== 'docs/README.md' && !linked.has(file)),
    [],
  )
})

test('each duty of the architecture map has a command that shows it and a test that holds it', () => {
  for (const name of ['architecture-map.md', 'architecture-map.th.md']) {
    const rows = readFileSync(path.join(root, 'docs', name), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
    for (const row of rows) {
      const [, , command = '', held = ''] = row.slice(2).split(' | ')
      // The heads of the tables hold no code.
      if (!row.includes('`')) continue
      assert.match(command, /^`npx khlong /, `${name}: ${row}`)
      assert.match(held, /^`packages\/\S+\.test\.ts`/, `${name}: ${row}`)
    }
  }
})

test('both languages of a document have the same sections and the same commands', () => {
  for (const thai of documents.filter(({ file }) => file.endsWith('.th.md'))) {
    const english = documents.find(({ file }) => file === thai.file.replace('.th.md', '.md'))
    assert.ok(english, `${thai.file} has no English beside it`)
    assert.equal(thai.anchors.size, english.anchors.size, `${thai.file}: headings`)
    const commands = (document: typeof thai): string[] =>
      shownCommands(document).map(({ words }) => words.join(' '))
    assert.deepEqual(commands(thai), commands(english), `${thai.file}: commands`)
  }
})

test('a document is taken apart into links, code, blocks and headings', () => {
  const { links, code, blocks, anchors } = readMarkdown(
    'a.md',
    '# Some `code` here\n[a](b.md#c) and `x(y)`, ![p](d.png "t")\n```sh\nls # [no](link)\n```\n',
  )
  assert.deepEqual(
    links.map(({ text }) => text),
    ['b.md#c', 'd.png'],
  )
  assert.deepEqual(
    code.map(({ text }) => text),
    ['code', 'x(y)'],
  )
  assert.deepEqual(blocks, [{ line: 3, language: 'sh', text: 'ls # [no](link)' }])
  assert.deepEqual([...anchors], ['some-code-here'])
})

test('a shell line is split into commands, and words lose their quotes', () => {
  assert.deepEqual(splitCommands(`a 'b c' --d="e f" | g && h # i`), [
    ['a', 'b c', '--d=e f'],
    ['g'],
    ['h'],
  ])
})

test('a command with a wrong subcommand, flag or argument is found out', () => {
  assert.equal(commandProblem(program, ['up', 'DIR', '--no-open', '--set', 'a.b=1']), undefined)
  assert.equal(commandProblem(program, ['mqtt', 'sub', '#', '-v']), undefined)
  assert.match(commandProblem(program, ['upp']) ?? '', /no subcommand upp/)
  assert.match(commandProblem(program, ['up', '--nope']) ?? '', /no flag --nope/)
  assert.match(commandProblem(program, ['up', '--data']) ?? '', /wants a value/)
  assert.match(commandProblem(program, ['mqtt', 'nope']) ?? '', /no subcommand/)
  assert.match(commandProblem(program, ['init']) ?? '', /needs 1 arguments/)
})
