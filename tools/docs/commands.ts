import type { Command } from 'commander'
import type { MarkdownFile } from './markdown.ts'

/** A command line of ours that a document shows: the words after `khlong`, or an npm script's name. */
export interface ShownCommand {
  readonly file: string
  readonly line: number
  readonly kind: 'khlong' | 'npm'
  readonly words: readonly string[]
}

const shellLanguages = new Set(['', 'sh', 'bash', 'shell', 'console', 'text'])

/** Command lines that begin with `npx khlong`, `npm run`, `npm start` or `npm test`, in blocks and between backticks. */
export function shownCommands(document: MarkdownFile): ShownCommand[] {
  const shown: ShownCommand[] = []
  const look = (text: string, line: number): void => {
    for (const words of splitCommands(text)) {
      const [first, second, ...rest] = words[0] === '$' ? words.slice(1) : words
      const at = { file: document.file, line }
      if (first === 'npx' && second === 'khlong') shown.push({ ...at, kind: 'khlong', words: rest })
      if (first !== 'npm' || second === undefined) continue
      const dashes = rest.indexOf('--')
      const passed = dashes < 0 ? [] : rest.slice(dashes + 1)
      if (second === 'start')
        shown.push({ ...at, kind: 'khlong', words: ['up', 'pipelines/iot', ...passed] })
      else if (second === 'run' && rest[0] === 'khlong')
        shown.push({ ...at, kind: 'khlong', words: passed })
      else if (second === 'run' && rest[0] !== undefined)
        shown.push({ ...at, kind: 'npm', words: [rest[0]] })
    }
  }
  for (const { text, line } of document.code) look(text, line)
  for (const block of document.blocks)
    if (shellLanguages.has(block.language))
      for (const [index, text] of block.text.split('\n').entries())
        look(text.trim(), block.line + 1 + index)
  return shown
}

/** Splits a shell line at `|`, `&&`, `;` and `&`, and each command into words without their quotes. */
export function splitCommands(line: string): string[][] {
  const commands: string[][] = [[]]
  const pattern = /\s*(?:(&&|\|\||[|;&])(?=\s|$)|(#.*$)|((?:'[^']*'|"[^"]*"|\\.|[^\s'"])+))/gy
  for (const [, operator, comment, word] of line.matchAll(pattern)) {
    if (operator) commands.push([])
    else if (!comment && word !== undefined) commands.at(-1)!.push(word.replace(/['"]/g, ''))
  }
  return commands.filter((words) => words.length > 0)
}

/**
 * Why a command line would be refused before it does anything; undefined where subcommand, flags and
 * number of arguments are right. `…` stands for anything, `[X]` for X.
 */
export function commandProblem(program: Command, words: readonly string[]): string | undefined {
  let command = program
  const given = [...words].map((word) => word.replace(/^\[(.*)\]$/, '$1'))
  let argumentCount = 0
  let isOpen = false
  while (given.length > 0) {
    const word = given.shift()!
    if (word === '…' || word === '...') {
      isOpen = true
      continue
    }
    if (/^-./.test(word) && !/^-\d/.test(word)) {
      const [name = '', value] = word.split(/=(.*)/s)
      if (name === '--help' || (command === program && name === '--version')) return undefined
      const option = command.options.find(
        (candidate) => candidate.long === name || candidate.short === name,
      )
      if (!option) return `${command.name()} has no flag ${name}`
      if (option.required && value === undefined && given.shift() === undefined)
        return `${name} of ${command.name()} wants a value`
      // All words up to the next flag are its values.
      if (option.variadic) while (given.length > 0 && !given[0]!.startsWith('-')) given.shift()
      continue
    }
    const subcommand = command.commands.find(
      (candidate) => candidate.name() === word || candidate.aliases().includes(word),
    )
    if (subcommand && argumentCount === 0) command = subcommand
    else argumentCount++
  }
  if (command === program && argumentCount > 0) return `there is no subcommand ${words[0]}`
  const { registeredArguments } = command
  const most = registeredArguments.some((argument) => argument.variadic)
    ? Number.POSITIVE_INFINITY
    : registeredArguments.length
  if (argumentCount > most)
    return command.commands.length > 0 && most === 0
      ? `${command.name()} has no subcommand of that name`
      : `${command.name()} takes at most ${most} arguments, found ${argumentCount}`
  const least = registeredArguments.filter((argument) => argument.required).length
  if (argumentCount < least && !isOpen)
    return `${command.name()} needs ${least} arguments, found ${argumentCount}`
  return undefined
}
