import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** Where a package declares its codes, or throws them. */
const declarations: readonly RegExp[] = [
  // type XErrorCode = | 'A' | 'B'
  /type \w*ErrorCode =((?:\s*(?:\/\*\*.*?\*\/)?\s*\|\s*'[A-Z0-9_]+')+)/gs,
  // const table = { A: 404, … } as const; type XErrorCode = keyof typeof table
  /const \w+ = \{((?:\s*[A-Z][A-Z0-9]*_[A-Z0-9_]+: [^\n]+,)+\s*)\} as const/g,
  // new XError('A', …) and helpers that take a code first
  /(?:new \w*Error|\w*Error|super)\(\s*('[A-Z][A-Z0-9]*_[A-Z0-9_]+')/g,
  // new CodedError(taken ? 'A' : 'B', …)
  /new \w*Error\(\s*[^'()]+\? ('[A-Z0-9_]+' : '[A-Z0-9_]+')/g,
]

/** Codes that a package's sources declare or throw, sorted. */
export function codesInSource(root: string, packageName: string): string[] {
  const codes = new Set<string>()
  for (const file of globSync(`packages/${packageName}/src/**/*.ts`, { cwd: root })) {
    const isErrors = path.basename(file) === 'errors.ts'
    const text = readFileSync(path.join(root, file), 'utf8')
    declarations.forEach((pattern, index) => {
      if (index < 2 && !isErrors) return
      for (const [, found] of text.matchAll(pattern))
        for (const [code] of found!.matchAll(/\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b/g)) codes.add(code)
    })
  }
  return [...codes].sort()
}

/** Codes that `docs/errors.md` explains, sorted, by the package whose heading they stand under. */
export function codesInDocument(text: string): Map<string, string[]> {
  const sections = new Map<string, string[]>()
  for (const section of text.split(/^## /m).slice(1)) {
    const name = /^`?([\w@/-]+)`?/.exec(section)?.[1] ?? ''
    const codes = [...section.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \|/gm)].map(([, code]) => code!)
    sections.set(name, codes.sort())
  }
  return sections
}
