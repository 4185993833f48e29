// The first thing that runs: plain JavaScript for Node 20, with nothing installed.
//
//   node tools/launch.mjs setup                   brings Node 24, the packages, the built console
//   node tools/launch.mjs run SCRIPT ARG…         runs a script of ours on the right Node
//   node tools/launch.mjs setup run SCRIPT ARG…   both; quick where nothing is to be brought
//
// npm's own pre-scripts cannot do this: `ignore-scripts`, which keeps packages from running code when
// they are installed, switches them off too.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import module from 'node:module'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const NODE_WANTED = [24, 12]
const root = fileURLToPath(new URL('..', import.meta.url))
const nodeFolder = path.join(root, 'tools', 'node')
// Node keeps compiled code here, so that a start does not compile again.
process.env.NODE_COMPILE_CACHE ??= path.join(root, 'node_modules', '.cache', 'compiled')

const words = process.argv.slice(2)
const wantsSetup = words[0] === 'setup'
if (wantsSetup) words.shift()
const wantsRun = words.shift() === 'run'
if (!wantsSetup && !(wantsRun && words.length > 0))
  stop('usage: node tools/launch.mjs [setup] [run SCRIPT [ARG…]]')
if (wantsSetup) setup()
if (wantsRun) await run(words)

function setup() {
  if (!isNewEnough(process.versions.node) && !existsSync(nodePackageBinary())) {
    const name = nodePackageName()
    if (!(name in readJson(path.join(nodeFolder, 'package.json')).optionalDependencies))
      stop(
        `Khlong needs Node ${NODE_WANTED.join('.')} or newer; this is ${process.versions.node}, and no package brings a newer one ` +
          `for ${process.platform}-${process.arch}. Install Node 24 (nodejs.org) and start again.`,
      )
    say(
      `Node ${process.versions.node} is older than ${NODE_WANTED.join('.')}: getting Node 24 for this project only…`,
    )
    npm(process.execPath, 'ci', '--prefix', nodeFolder)
  }
  if (!packagesAreInstalled()) {
    say('Getting the packages (once; a minute or so)…')
    npm(rightNode(), 'ci', '--prefix', root)
  }
  const consoleBuild = path.join(root, 'packages', 'grafana', 'web', 'build.ts')
  if (existsSync(consoleBuild)) runSync(rightNode(), [consoleBuild])
  warm()
}

/**
 * Compiles ahead where nothing is compiled yet, and before a start also where sources are others than the last
 * time: each thread that meets one loads Node's TypeScript compiler, and the process holds 20 MB more.
 */
function warm() {
  const stamp = path.join(process.env.NODE_COMPILE_CACHE, 'sources')
  const isStart = words[0] === 'packages/khlong/src/main.ts'
  if (existsSync(process.env.NODE_COMPILE_CACHE) && !isStart) return
  const sources = newestSource()
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === sources) return
  mkdirSync(process.env.NODE_COMPILE_CACHE, { recursive: true })
  // A start says better what is wrong with a source.
  spawnSync(rightNode(), [path.join(root, 'tools', 'warm.ts')], { cwd: root, stdio: 'ignore' })
  writeFileSync(stamp, sources)
}

/** When what is compiled was last changed, and for which Node. */
function newestSource() {
  const packages = path.join(root, 'packages')
  const folders = readdirSync(packages).map((name) => path.join(packages, name, 'src'))
  const files = [...folders, path.join(root, 'pipelines', 'iot', 'streams')]
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true }).map((file) => path.join(folder, file)),
    )
  const changed = [...files, path.join(root, 'package-lock.json')].map(
    (file) => statSync(file).mtimeMs,
  )
  return `${rightNode()} ${Math.max(...changed)}`
}

/** Runs a script and ends as it ends. On a Node that is new enough it is this very process. */
async function run([script, ...args]) {
  const file = path.resolve(root, script)
  if (isNewEnough(process.versions.node)) {
    process.argv = [process.execPath, file, ...args]
    // The variable counts in processes that are begun with it. What is not compiled already makes Node
    // load its TypeScript compiler, which keeps 10 MB.
    module.enableCompileCache?.(process.env.NODE_COMPILE_CACHE)
    await import(pathToFileURL(file).href)
    return
  }
  const child = spawn(rightNode(), [...process.execArgv, file, ...args], { stdio: 'inherit' })
  // A terminal sends Ctrl-C to the child too; it decides when this ends.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 143)
  })
}

/** Whether each package of the lock file stands in node_modules at the version locked. */
function packagesAreInstalled() {
  const installedFile = path.join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installedFile)) return false
  const installed = readJson(installedFile).packages
  const locked = readJson(path.join(root, 'package-lock.json')).packages
  return Object.entries(locked).every(
    ([name, entry]) =>
      !name.startsWith('node_modules/') ||
      entry.optional ||
      entry.peer ||
      entry.link ||
      installed[name]?.version === entry.version,
  )
}

function rightNode() {
  return isNewEnough(process.versions.node) ? process.execPath : nodePackageBinary()
}

function nodePackageName() {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  return `node-${platform}-${process.arch}`
}

function nodePackageBinary() {
  const binary = process.platform === 'win32' ? 'node.exe' : 'node'
  return path.join(nodeFolder, 'node_modules', nodePackageName(), 'bin', binary)
}

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > NODE_WANTED[0] || (major === NODE_WANTED[0] && minor >= NODE_WANTED[1])
}

/** Runs npm on the Node given. */
function npm(node, ...args) {
  // npm says where it is, which spares looking for npm.cmd on Windows.
  const script = process.env.npm_execpath
  if (script) runSync(node, [script, ...args])
  else runSync('npm', args, { shell: process.platform === 'win32' })
}

function runSync(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', cwd: root, ...options })
  if (error) stop(`could not run ${command}: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'))
}

function say(text) {
  process.stdout.write(`khlong: ${text}\n`)
}

function stop(text) {
  process.stderr.write(`khlong: ${text}\n`)
  process.exit(1)
}
