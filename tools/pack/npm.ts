import { spawnSync } from 'node:child_process'
import path from 'node:path'

/** The environment in which `node`, `npm` and `npx` are those of this very Node. */
export const nodeEnvironment: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH ?? ''}`,
}

/**
 * Runs npm in a folder and gives what it printed.
 *
 * @throws Error with npm's own words where it fails
 */
export function npm(folder: string, ...args: string[]): string {
  // npm says where it is, which spares looking for npm.cmd on Windows.
  const script = process.env.npm_execpath
  const [command, first] = script ? [process.execPath, [script]] : ['npm', []]
  return run(folder, command, [...first, ...args])
}

/** Runs a command in a folder to its end; @throws Error with what it printed where it fails. */
export function run(folder: string, command: string, args: readonly string[]): string {
  const result = spawnSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    env: nodeEnvironment,
    maxBuffer: 1 << 26,
    timeout: 300_000,
    shell: process.platform === 'win32' && command === 'npm',
  })
  if (result.error) throw result.error
  if (result.status !== 0)
    throw new Error(
      `${command} ${args.join(' ')}\nended with ${result.status ?? result.signal}:\n${result.stdout}${result.stderr}`,
    )
  return result.stdout
}

/** Installs tarballs, with their dependencies from the registry, in a folder. */
export function installTarballs(folder: string, tarballs: readonly string[]): void {
  npm(
    folder,
    'install',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    ...tarballs,
  )
}
