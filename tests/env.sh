# Source from the repository root: the tools of .venv, the collections of .cache. TEST_CORE=oldest|newest: another ansible-core.
root=$(git rev-parse --show-toplevel)
export PATH="$root/.venv${TEST_CORE:+-$TEST_CORE}/bin:$PATH"
export ANSIBLE_COLLECTIONS_PATH="$root/.cache/collections"
export ANSIBLE_CONFIG="$root/ansible.cfg"
export ANSIBLE_HOME="$root/.cache/ansible${TEST_CORE:+-$TEST_CORE}"
export MOLECULE_GLOB='molecule/*/molecule.yml'
# PYTHONPATH lets tests import the collection as Ansible does, and the test bed by the names of its rooms.
export PYTHONPATH="$root/.cache/collections:$root/tests/testbed"
# CI=true makes conda accept terms of service by itself and would hide what a real host does.
unset CI root
