import { enableCompileCache } from 'node:module'
import path from 'node:path'
import { beginWithMemorySettings } from './begin.ts'

// Before anything else is loaded, for the second begin and for threads too: code that was compiled once is not
// compiled again, and Node does not load its TypeScript compiler, 20 MB with four threads.
const { directory } = enableCompileCache()
if (directory !== undefined) process.env.NODE_COMPILE_CACHE ??= path.dirname(directory)

beginWithMemorySettings(process.argv[2])

const { loadZodLanguagesLate } = await import('@khlong/core/zod-languages')
loadZodLanguagesLate()
const { collectAtRest } = await import('./host/rest.ts')
collectAtRest()
const { runCommandLine } = await import('./cli/program.ts')
process.exitCode = await runCommandLine(process.argv.slice(2))
