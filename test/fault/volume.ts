/** A file system of one's own, to fill or to cut the power of. Needs root, and loop devices for ext4. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { exists, run } from '../programs.ts'
import { NotHere } from './stage.ts'

export interface Volume {
  path: string
  unmount(): Promise<void>
}

export interface Ext4 extends Volume {
  /**
   * What the disk has not, is gone: the journal's tail and all pages not written. Everything fails from then on.
   * `before` is called just before the kernel is told: unlike a machine without power, this one may still answer in the
   * very moment, to an fsync that ends in a journal just given up.
   */
  cutPower(before: () => void): Promise<void>
  /** After `cutPower`, when nothing uses the volume any more. */
  remount(): Promise<void>
}

export async function tmpfs(directory: string, options: string): Promise<Volume> {
  const path = await mkdtemp(join(directory, 'tmpfs-'))
  await need('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path])
  return { path, unmount: () => unmount(path) }
}

export async function ext4(directory: string, bytes: number): Promise<Ext4> {
  const image = join(directory, 'disk.img')
  const path = join(directory, 'ext4')
  await writeFile(image, '')
  await truncate(image, bytes)
  await mkdir(path)
  await need('mkfs.ext4', ['-q', '-F', image])
  const mount = () => need('mount', ['-o', 'loop', image, path])
  await mount()
  return {
    path,
    async unmount() {
      await unmount(path)
      await rm(image, { force: true })
    },
    async cutPower(before) {
      if (!(await exists('perl'))) throw new NotHere('perl is missing')
      const file = join(path, 'power')
      await writeFile(file, '')
      const switching = spawn('perl', ['-e', SHUTDOWN, file], { stdio: ['pipe', 'pipe', 'inherit'] })
      const done = once(switching, 'exit')
      await Promise.race([once(switching.stdout, 'data'), done])
      before()
      switching.stdin.end('now')
      const [code] = await done
      if (code !== 0) throw new NotHere('the kernel does not know EXT4_IOC_SHUTDOWN')
    },
    async remount() {
      await unmount(path)
      // A superblock that lingers would keep its `shutdown` flag.
      while ((await run('losetup', ['-j', image])).stdout !== '') await pause(50)
      await mount()
    },
  }
}

// EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH. Perl is on every Debian, and Node has no ioctl.
const SHUTDOWN =
  'open(F, "<", $ARGV[0]) or die $!; $f = pack("L", 2); $| = 1; print "ready"; <STDIN>; ioctl(F, 0x8004587D, $f) or die $!'

async function unmount(path: string): Promise<void> {
  for (let left = 50; ; left--) {
    try {
      await run('umount', [path])
      return
    } catch (error) {
      if (/not mounted/.test(String(error))) return
      if (left === 0) throw error
      await pause(100)
    }
  }
}

async function need(program: string, args: string[]): Promise<void> {
  try {
    await run(program, args)
  } catch (error) {
    throw new NotHere(`${program} does not work here: ${String(error).replace(/\s+/g, ' ')}`)
  }
}
