import { enableCompileCache } from 'node:module'
import { runCommandLine } from './cli/program.ts'

// Code that was compiled once is not compiled again at the next start.
enableCompileCache()
process.exitCode = await runCommandLine(process.argv.slice(2))
