import { existsSync, globSync } from 'node:fs'
import path from 'node:path'
import type { MarkdownFile } from './markdown.ts'

const repositoryPath =
  /^(?:\.ci|benchmarks|compat|docs|packages|pipelines|tools)\/[\w.@*{},/[\]-]*[\w*/}]$/

/** Every link, image and path of the repository in a document that leads nowhere, as `file:line: …`. */
export function brokenPaths(root: string, documents: readonly MarkdownFile[]): string[] {
  const problems: string[] = []
  const byFile = new Map(documents.map((document) => [document.file, document]))
  for (const document of documents) {
    for (const { text, line } of document.links) {
      if (/^[a-z][a-z+.-]*:/i.test(text)) continue
      const [target = '', anchor] = text.split('#')
      const file =
        target === '' ? document.file : path.posix.join(path.posix.dirname(document.file), target)
      if (!existsSync(path.join(root, file)))
        problems.push(`${document.file}:${line}: the link ${text} leads nowhere`)
      else if (
        anchor &&
        byFile.has(file) &&
        !byFile.get(file)?.anchors.has(decodeURIComponent(anchor))
      )
        problems.push(`${document.file}:${line}: ${file} has no heading #${anchor}`)
    }
    for (const { text, line } of document.code) {
      const [name = ''] = text.split(/:\d+$/)
      if (!repositoryPath.test(name)) continue
      const exists = /[*{]/.test(name)
        ? globSync(name, { cwd: root }).length > 0
        : existsSync(path.join(root, name))
      if (!exists) problems.push(`${document.file}:${line}: there is no ${name}`)
    }
  }
  return problems
}
