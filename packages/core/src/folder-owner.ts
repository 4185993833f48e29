import { readFileSync, readlinkSync } from 'node:fs'
import { uptime } from 'node:os'

// A process id alone does not tell who owns a folder: after a loss of power another process may have it,
// and every container has a process 1. On Linux the kernel says more: which boot this is, when a process
// began, and in which namespace its id counts. Elsewhere the time of the boot has to do.

/** Who owns a data folder, as its file `owner.pid` says: one fact a line, the process id first. */
export interface FolderOwner {
  readonly processId: number
  /** Of the kernel's boot; empty where the system has no such thing. */
  readonly bootId: string
  /** The namespace in which `processId` counts; empty where there is none. */
  readonly namespace: string
  /** When the process began, in the kernel's own count; empty where that cannot be known. */
  readonly began: string
}

export type OwnerState =
  | 'gone'
  | 'running'
  /** It runs, or ran, where its process id cannot be looked up from here: in another container. */
  | 'elsewhere'

/** This process, as the owner of a folder. */
export function ownMark(): FolderOwner {
  return {
    processId: process.pid,
    bootId: bootId(),
    namespace: processNamespace(),
    began: beganAt('self'),
  }
}

export function formatOwner({ processId, bootId, namespace, began }: FolderOwner): string {
  return `${[processId, bootId, namespace, began].join('\n').trimEnd()}\n`
}

/** Reads what {@link formatOwner} wrote, or a bare process id; NaN stands for a file that is torn. */
export function parseOwner(text: string): FolderOwner {
  const [id = '', boot = '', namespace = '', began = ''] = text.split('\n')
  return { processId: Number.parseInt(id, 10), bootId: boot, namespace, began }
}

/**
 * Whether the owner of a folder still runs.
 *
 * @param writtenMs when the owner wrote its file, in epoch milliseconds
 */
export function stateOf(owner: FolderOwner, writtenMs: number, nowMs: number): OwnerState {
  const { processId } = owner
  if (!Number.isInteger(processId) || processId <= 0) return 'gone'
  if (owner.bootId !== '' && owner.bootId !== bootId()) return 'gone'
  if (owner.bootId === '' && writtenMs < nowMs - uptime() * 1_000) return 'gone'
  const isHere = owner.namespace === '' || owner.namespace === processNamespace()
  return isHere ? alive(owner) : 'elsewhere'
}

function alive({ processId, began }: FolderOwner): OwnerState {
  if (began !== '') return beganAt(String(processId)) === began ? 'running' : 'gone'
  // The file of a process that had this one's id before.
  if (processId === process.pid) return 'gone'
  try {
    process.kill(processId, 0)
    return 'running'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'running' : 'gone'
  }
}

function bootId(): string {
  return firstLine('/proc/sys/kernel/random/boot_id')
}

function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}

/** Field 22 of `/proc/PID/stat`; the name before it may hold anything, also spaces and brackets. */
function beganAt(processId: string): string {
  const text = firstLine(`/proc/${processId}/stat`)
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

function firstLine(file: string): string {
  try {
    return readFileSync(file, 'utf8').split('\n')[0]!
  } catch {
    return ''
  }
}
