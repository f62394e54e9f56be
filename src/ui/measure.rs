//! How wide the columns of the main list want to be.
//!
//! Measured over all objects, not the visible ones, so that no column jumps while a person scrolls or filters. The
//! measures of one list are kept as long as the snapshot keeps the list: a frame measures only what is new.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::columns::{self, Width};
use crate::model::text::clean;
use crate::model::{ClusterSnapshot, Pod, ServiceFacts, Text};

use super::widgets::text::width;

/// Nothing is taken for wider than this.
const MOST: usize = 80;

/// The widest cell of each column of the Service list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServiceWidths {
    pub(super) namespace: usize,
    pub(super) name: usize,
    pub(super) cluster_ip: usize,
    pub(super) external_ip: usize,
    pub(super) ports: usize,
    pub(super) endpoints: usize,
    pub(super) selector: usize,
}

/// The widest cell of each column of the pod list. STATUS and RESTARTS cost more than they tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PodWidths {
    pub(super) namespace: usize,
    pub(super) name: usize,
    pub(super) ip: usize,
    pub(super) node: usize,
}

type Measured<T, W> = (Arc<Vec<Arc<T>>>, W);

/// What was measured, with the lists that it was measured of.
#[derive(Default)]
pub(super) struct Memo {
    services: Mutex<Option<(bool, Measured<ServiceFacts, ServiceWidths>)>>,
    pods: Mutex<BTreeMap<Text, Measured<Pod, PodWidths>>>,
}

impl Memo {
    /// Of all Services of the snapshot; external addresses in the narrow or the wide form.
    pub(super) fn services(&self, snapshot: &ClusterSnapshot, wide: bool) -> ServiceWidths {
        let mut memo = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((was_wide, (list, widths))) = &*memo
            && *was_wide == wide
            && Arc::ptr_eq(list, &snapshot.services)
        {
            return *widths;
        }
        let mut widths = ServiceWidths::default();
        let form = if wide { Width::Wide } else { Width::Narrow };
        for facts in snapshot.services.iter() {
            let service = &facts.service;
            grow(&mut widths.namespace, &service.key.namespace);
            grow(&mut widths.name, &service.key.name);
            grow(&mut widths.cluster_ip, columns::cluster_ip(service));
            grow(&mut widths.external_ip, &columns::external_ip(service, form));
            grow(&mut widths.ports, &columns::service_ports(service));
            let digits = facts.total.checked_ilog10().unwrap_or(0) as usize + 1;
            widths.endpoints = widths.endpoints.max(2 * digits + 2);
            if wide {
                grow(&mut widths.selector, &columns::selector(&service.selector));
            }
        }
        *memo = Some((wide, (snapshot.services.clone(), widths)));
        widths
    }

    /// Of all pods of the snapshot.
    pub(super) fn pods(&self, snapshot: &ClusterSnapshot) -> PodWidths {
        let mut memo = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        memo.retain(|namespace, _| snapshot.pods.contains_key(namespace));
        let mut all = PodWidths::default();
        for (namespace, pods) in &snapshot.pods {
            let widths = match memo.get(namespace) {
                Some((list, widths)) if Arc::ptr_eq(list, pods) => *widths,
                _ => {
                    let mut widths = PodWidths::default();
                    for pod in pods.iter() {
                        grow(&mut widths.name, &pod.key.name);
                        grow(&mut widths.ip, pod.ips.first().map_or(columns::NONE, |ip| ip));
                        grow(&mut widths.node, &pod.node);
                    }
                    memo.insert(namespace.clone(), (pods.clone(), widths));
                    widths
                }
            };
            grow(&mut all.namespace, namespace);
            all.name = all.name.max(widths.name);
            all.ip = all.ip.max(widths.ip);
            all.node = all.node.max(widths.node);
        }
        all
    }
}

/// Makes room for a text.
pub(super) fn grow(columns: &mut usize, text: &str) {
    let wide = if text.is_ascii() { text.len() } else { width(&clean(text)) };
    *columns = (*columns).max(wide.min(MOST));
}
