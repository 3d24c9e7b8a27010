/** The screens: where they are, what they are called, and how they are loaded. */
import BookOpen from '@lucide/svelte/icons/book-open'
import Boxes from '@lucide/svelte/icons/boxes'
import Gauge from '@lucide/svelte/icons/gauge'
import GraduationCap from '@lucide/svelte/icons/graduation-cap'
import House from '@lucide/svelte/icons/house'
import ListChecks from '@lucide/svelte/icons/list-checks'
import MonitorSmartphone from '@lucide/svelte/icons/monitor-smartphone'
import Settings from '@lucide/svelte/icons/settings'
import ShieldCheck from '@lucide/svelte/icons/shield-check'
import type { Component } from 'svelte'
import type { Place } from './router.svelte.ts'
import { text } from './text.ts'

export interface Screen {
  /** First part of the address. */
  readonly id: string
  readonly title: string
  readonly icon: typeof House
  /** False for one that is reached from others. */
  readonly listed: boolean
  readonly load: () => Promise<{ readonly default: Component<{ place: Place }> | Component }>
}

export const SCREENS: readonly Screen[] = [
  { id: '', title: text.home, icon: House, listed: true, load: () => import('../home/Home.svelte') },
  { id: 'zoo', title: text.zoo, icon: Boxes, listed: true, load: () => import('../zoo/Zoo.svelte') },
  { id: 'model', title: text.zoo, icon: Boxes, listed: false, load: () => import('../model/Model.svelte') },
  {
    id: 'inference',
    title: text.inference,
    icon: ShieldCheck,
    listed: true,
    load: () => import('../inference/Inference.svelte'),
  },
  { id: 'train', title: text.train, icon: GraduationCap, listed: true, load: () => import('../train/Train.svelte') },
  { id: 'jobs', title: text.jobs, icon: ListChecks, listed: true, load: () => import('../jobs/JobsScreen.svelte') },
  {
    id: 'machines',
    title: text.machines,
    icon: MonitorSmartphone,
    listed: true,
    load: () => import('../machines/Machines.svelte'),
  },
  {
    id: 'benchmarks',
    title: text.benchmarks,
    icon: Gauge,
    listed: true,
    load: () => import('../benchmarks/Benchmarks.svelte'),
  },
  {
    id: 'settings',
    title: text.settings,
    icon: Settings,
    listed: true,
    load: () => import('../settings/Settings.svelte'),
  },
  { id: 'about', title: text.about, icon: BookOpen, listed: true, load: () => import('../about/About.svelte') },
]
