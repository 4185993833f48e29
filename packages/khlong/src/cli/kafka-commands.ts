import type { Command } from 'commander'

/** `khlong kafka topics|produce|consume|groups`. */
export function addKafkaCommands(command: Command): void {
  void command
}
