// A stand-in for NVIDIA's kernel module: its name, its version, the devices it is loaded for. It drives none.
#include <linux/module.h>

int nvidia_stand_in;
EXPORT_SYMBOL_GPL(nvidia_stand_in);

MODULE_ALIAS("pci:v000010DEd*sv*sd*bc03sc0[02]i00*");
MODULE_VERSION("580.95.05");
MODULE_DESCRIPTION("Stand-in for tests");
MODULE_LICENSE("GPL");
