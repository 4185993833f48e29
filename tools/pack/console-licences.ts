import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** Libraries whose code ends up in the built console though nothing of ours imports them. */
const broughtAlong: Readonly<Record<string, readonly string[]>> = { 'react-dom': ['scheduler'] }

/** Libraries and fonts that the built console holds, by what its sources import. */
export function bundledInConsole(root: string): string[] {
  const names = new Set<string>()
  for (const file of globSync('packages/grafana/web/**/*.{ts,tsx,css}', { cwd: root })) {
    // The build's own script does not end up in what it builds.
    if (path.basename(file) === 'build.ts') continue
    const text = readFileSync(path.join(root, file), 'utf8')
    for (const [, name] of text.matchAll(
      /(?:from|import|import\(|url\()\s*['"]((?:@[\w-]+\/)?[\w-]+)(?=[/'"])/g,
    )) {
      names.add(name!)
      for (const other of broughtAlong[name!] ?? []) names.add(other)
    }
  }
  return [...names].sort()
}

/**
 * The licences of what the built console holds, as they ask to be passed on.
 *
 * @throws Error where a library has no licence file
 */
export function consoleLicences(root: string): string {
  return bundledInConsole(root)
    .map((name) => {
      const [file] = globSync(`node_modules/${name}/{LICENSE,license}*`, { cwd: root })
      if (file === undefined) throw new Error(`${name} is in the console and has no licence file`)
      return `${name}\n\n${readFileSync(path.join(root, file), 'utf8').trim()}\n`
    })
    .join(`\n${'-'.repeat(80)}\n\n`)
}
